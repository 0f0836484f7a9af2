// sharp without any server, at its own defaults: argv[2] is its folder, argv[3] what to do, as JSON.
// "write": each file's derivative, numbered, into the folder `last`. "loop": made over and over for `last`
// seconds once a line came in, one at a time in one thread of libvips; prints how many a second.
const fs = require("node:fs");
const path = require("node:path");
const sharp = require(process.argv[2]);
const { task, box, form, last, files } = JSON.parse(process.argv[3]);

sharp.cache(false);
sharp.concurrency(1);

const made = (file) =>
  sharp(fs.readFileSync(file))
    .rotate()
    .resize(box[0], box[1], { fit: "inside", withoutEnlargement: true })
    .toFormat(form)
    .toBuffer();

async function loop(seconds) {
  const started = process.hrtime.bigint();
  let count = 0;
  let taken = 0;
  while (taken < seconds) {
    await made(files[count % files.length]);
    count += 1;
    taken = Number(process.hrtime.bigint() - started) / 1e9;
  }
  console.log(count / taken);
}

async function main() {
  if (task === "write") {
    for (const [number, file] of files.entries()) {
      fs.writeFileSync(path.join(last, String(number)), await made(file));
    }
    return;
  }
  for (const file of files.slice(0, 4)) await made(file);
  console.log("ready");
  await new Promise((resolve) => process.stdin.once("data", resolve));
  process.stdin.pause();
  await loop(Number(last));
}

main().catch((error) => {
  console.error(String(error));
  process.exit(1);
});
