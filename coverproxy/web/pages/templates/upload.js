"use strict";
/* The form works without this: it lets a picture be dropped on it, or pasted. */
const drop = document.getElementById("drop");
const file = document.getElementById("file");
const said = drop.querySelector(".dropped");
said.textContent = said.dataset.text;
const take = (list) => {
  const pictures = [...list].filter((each) => each.type.startsWith("image/"));
  if (!pictures.length) return;
  const one = new DataTransfer();
  one.items.add(pictures[0]);
  file.files = one.files;
  tell();
};
const tell = () => { said.textContent = file.files.length ? file.files[0].name : said.dataset.text; };
file.addEventListener("change", tell);
for (const name of ["dragenter", "dragover"]) {
  drop.addEventListener(name, (event) => { event.preventDefault(); drop.classList.add("over"); });
}
for (const name of ["dragleave", "drop"]) {
  drop.addEventListener(name, () => drop.classList.remove("over"));
}
drop.addEventListener("drop", (event) => { event.preventDefault(); take(event.dataTransfer.files); });
document.addEventListener("paste", (event) => take(event.clipboardData.files));
