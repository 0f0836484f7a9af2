"use strict";
/* Pages work without this: it adds a button to what is there to be copied. */
for (const box of document.querySelectorAll(".copyable")) {
  const { copy, copied } = document.body.dataset;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy plain";
  button.textContent = copy;
  button.addEventListener("click", async () => {
    const text = box.querySelector("code");
    try {
      await navigator.clipboard.writeText(text.textContent);
      button.textContent = copied;
      setTimeout(() => { button.textContent = copy; }, 2000);
    } catch {  // no permission, or no https: marked, Ctrl-C copies it
      getSelection().selectAllChildren(text);
    }
  });
  button.setAttribute("aria-live", "polite");
  box.append(button);
}
