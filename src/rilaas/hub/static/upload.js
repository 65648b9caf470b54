// A model's upload: folders keep their paths, hidden files stay here, progress is shown, and a refusal leaves the form
// as it is. Without this script the form still sends an archive or loose files.
(() => {
  const form = document.getElementById("upload");
  if (!form) return;
  const by = (id) => document.getElementById(id);
  const [drop, folder, file, chosen, bar, rate, send] = ["drop", "folder", "file", "chosen", "sent", "rate", "send"].map(by);
  const MAX_FILES = 1000;
  let picked = []; // [path, File]

  const hidden = (path) => path.split("/").some((part) => part.startsWith(".") || part === "__pycache__") || path.endsWith(".pyc");
  const size = (bytes) => {
    for (const unit of ["B", "kB", "MB"]) {
      if (bytes < 1000) return `${unit === "B" ? bytes : bytes.toFixed(1)} ${unit}`;
      bytes /= 1000;
    }
    return `${bytes.toFixed(1)} GB`;
  };

  function choose(pairs) {
    picked = pairs.filter(([path]) => !hidden(path));
    const total = picked.reduce((sum, [, one]) => sum + one.size, 0);
    const left = pairs.length - picked.length;
    chosen.textContent = picked.length
      ? `${picked.length === 1 ? picked[0][0] : `${picked.length} files`}, ${size(total)}${left ? `; ${left} hidden left out` : ""}`
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

  for (const name of ["dragenter", "dragover"])
    drop.addEventListener(name, (event) => { event.preventDefault(); drop.classList.add("over"); });
  for (const name of ["dragleave", "drop"]) drop.addEventListener(name, () => drop.classList.remove("over"));
  drop.addEventListener("drop", async (event) => {
    event.preventDefault();
    const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry()).filter(Boolean);
    const pairs = [];
    for (const entry of entries) await walk(entry, pairs);
    folder.value = file.value = "";
    choose(pairs);
  });

  function refuse(message, hint) {
    const box = document.createElement("div");
    box.className = "notice bad";
    box.setAttribute("role", "alert");
    for (const [kind, words] of [["what", message], ["soft", hint]]) {
      const line = document.createElement("div");
      line.className = kind;
      line.textContent = words;
      if (words) box.append(line);
    }
    by("refused").replaceChildren(box);
    box.scrollIntoView({ block: "nearest" });
  }

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
    post(data);
  });

  function post(data) {
    const request = new XMLHttpRequest();
    const start = performance.now();
    const idle = () => { send.disabled = false; bar.hidden = true; rate.textContent = ""; };
    request.open("POST", "/api/v1/models");
    request.setRequestHeader("X-CSRFToken", form.elements.namedItem("csrfmiddlewaretoken").value);
    request.upload.onprogress = (event) => {
      if (!event.lengthComputable) return;
      bar.value = event.loaded / event.total;
      const per_s = event.loaded / Math.max(1e-3, (performance.now() - start) / 1000);
      rate.textContent = event.loaded < event.total
        ? `${size(event.loaded)} of ${size(event.total)}, ${size(per_s)}/s, ${Math.ceil((event.total - event.loaded) / per_s)} s left`
        : "Checking the model ...";
    };
    request.onerror = () => {
      idle();
      refuse("The upload broke off: the hub is not reached, or a file changed on the disk since it was chosen.", "Choose the files again and repeat.");
    };
    request.onload = () => {
      let answer = {};
      try { answer = JSON.parse(request.responseText); } catch { /* an error page */ }
      if (request.status === 200 || request.status === 201) {
        location.href = `/models/${answer.model}?revision=${encodeURIComponent(answer.revision)}&pushed=${answer.is_new ? "new" : "same"}`;
        return;
      }
      idle();
      refuse(answer.message || `The hub answered with status ${request.status}.`, answer.hint || "");
    };
    send.disabled = true;
    bar.hidden = false;
    bar.value = 0;
    request.send(data);
  }
})();
