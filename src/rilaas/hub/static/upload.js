// A model's upload: folders keep their paths, hidden files stay here, progress is shown, and a refusal leaves the form
// as it is. Without this script the form still sends an archive or loose files.
(() => {
  const form = document.getElementById("upload");
  if (!form) return;
  const by = (id) => document.getElementById(id);
  const [drop, folder, file, chosen] = ["drop", "folder", "file", "chosen"].map(by);
  const MAX_FILES = 1000;
  let picked = []; // [path, File]

  const hidden = (path) => path.split("/").some((part) => part.startsWith(".") || part === "__pycache__") || path.endsWith(".pyc");

  function choose(pairs) {
    picked = pairs.filter(([path]) => !hidden(path));
    const total = picked.reduce((sum, [, one]) => sum + one.size, 0);
    const left = pairs.length - picked.length;
    chosen.textContent = picked.length
      ? `${picked.length === 1 ? picked[0][0] : `${picked.length} files`}, ${bytesText(total)}${left ? `; ${left} hidden left out` : ""}`
      : "";
  }

  folder.addEventListener("change", () => {
    if (folder.files.length) file.value = "";
    choose([...folder.files].map((one) => [one.webkitRelativePath || one.name, one]));
  });
  file.addEventListener("change", () => {
    if (file.files.length) folder.value = "";
    choose([...file.files].map((one) => [one.name, one]));
  });

  async function walk(entry, pairs) {
    if (pairs.length > 4 * MAX_FILES || hidden(entry.fullPath.slice(1))) return;
    if (entry.isFile) {
      pairs.push([entry.fullPath.slice(1), await new Promise((done, failed) => entry.file(done, failed))]);
      return;
    }
    const reader = entry.createReader();
    for (;;) {
      const some = await new Promise((done, failed) => reader.readEntries(done, failed));
      if (!some.length) return;
      for (const one of some) await walk(one, pairs);
    }
  }

  markDrop(drop);
  drop.addEventListener("drop", async (event) => {
    event.preventDefault();
    const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry()).filter(Boolean);
    const pairs = [];
    for (const entry of entries) await walk(entry, pairs);
    folder.value = file.value = "";
    choose(pairs);
  });

  const refuse = (message, hint) => showRefusal((box) => by("refused").replaceChildren(box), message, hint);

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!picked.length) return refuse("No file was chosen.", "Choose an archive, or the folder of a model.");
    if (picked.length > MAX_FILES)
      return refuse(`These are ${picked.length} files; a model has at most ${MAX_FILES}.`, "Choose the model's folder alone.");
    by("refused").replaceChildren();
    const data = new FormData();
    const field = (name) => form.elements.namedItem(name);
    data.append("owner", form.dataset.owner);
    data.append("name", form.dataset.name || (field("name") ? field("name").value.trim() : ""));
    for (const name of ["note", "variant", "of", "parent"])
      if (field(name) && field(name).value) data.append(name, field(name).value);
    data.append("paths", picked.map(([path]) => path).join("\n"));
    for (const [, one] of picked) data.append("file", one);
    sendForm(form, "/api/v1/models", data, {
      last: "Checking the model ...",
      next: (answer) => `/models/${answer.model}?revision=${encodeURIComponent(answer.revision)}&pushed=${answer.is_new ? "new" : "same"}`,
      refuse,
    });
  });
})();
