// A dataset's upload: folders keep their paths, progress is shown, and a refusal leaves the form and its files as they
// are. Without this script the form still sends a file or several images.
for (const form of document.querySelectorAll("form[data-dataset]")) {
  const field = (name) => form.elements.namedItem(name);
  const [drop, chosen] = [".drop", "[data-chosen]"].map((one) => form.querySelector(one));
  const picked = () => [...field("file").files, ...field("folder").files];
  const show = () => {
    const files = picked();
    const total = files.reduce((sum, one) => sum + one.size, 0);
    chosen.textContent = files.length ? `${files.length === 1 ? files[0].name : `${files.length} files`}, ${bytesText(total)}` : "";
  };
  field("file").addEventListener("change", () => { if (field("file").files.length) field("folder").value = ""; show(); });
  field("folder").addEventListener("change", () => { if (field("folder").files.length) field("file").value = ""; show(); });
  markDrop(drop);
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    field("folder").value = "";
    field("file").files = event.dataTransfer.files;
    show();
  });

  const refuse = (message, hint) => showRefusal((box) => {
    for (const old of document.querySelectorAll("main .notice.bad")) old.remove();
    form.before(box);
  }, message, hint);

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const files = picked();
    const name = field("name") ? field("name").value.trim() : form.dataset.dataset.split("/")[1];
    if (!files.length) return refuse("No file was chosen.", "Choose an .npz, an .mcap, images, or an archive of them.");
    if (files.length > 1000) return refuse(`${files.length} files are too many for one form; 1000 are possible.`, "Upload a .zip of them.");
    if (!/^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$/.test(name))
      return refuse(`'${name}' cannot be the name of a dataset.`, "It has 1 to 64 lower-case letters, digits, '.', '_', '-'; the first and the last are letters or digits.");
    const data = new FormData();
    data.append("paths", files.map((one) => one.webkitRelativePath || one.name).join("\n"));
    if (field("description")) data.append("description", field("description").value);
    for (const one of files) data.append("file", one);
    sendForm(form, `/api/v1/datasets/${form.dataset.dataset.split("/")[0]}/${name}/versions`, data, {
      last: "Reading it ...",
      next: (answer, status) => status === 202 ? `/jobs/${answer.job}` : `/datasets/${answer.dataset}?version=${answer.number}`,
      refuse,
    });
  });
}
