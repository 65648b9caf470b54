// A dataset's upload: folders keep their paths, progress is shown, and a refusal leaves the form and its files as they
// are. Without this script the form still sends a file or several images.
for (const form of document.querySelectorAll("form[data-dataset]")) {
  const field = (name) => form.elements.namedItem(name);
  const [drop, chosen, bar, rate, send] = [".drop", "[data-chosen]", "progress", "[data-rate]", "button"].map((one) => form.querySelector(one));
  const mega = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;
  const picked = () => [...field("file").files, ...field("folder").files];
  const show = () => {
    const files = picked();
    const total = files.reduce((sum, one) => sum + one.size, 0);
    chosen.textContent = files.length ? `${files.length === 1 ? files[0].name : `${files.length} files`}, ${mega(total)}` : "";
  };
  field("file").addEventListener("change", () => { if (field("file").files.length) field("folder").value = ""; show(); });
  field("folder").addEventListener("change", () => { if (field("folder").files.length) field("file").value = ""; show(); });
  for (const name of ["dragenter", "dragover"])
    drop.addEventListener(name, (event) => { event.preventDefault(); drop.classList.add("over"); });
  for (const name of ["dragleave", "drop"]) drop.addEventListener(name, () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    field("folder").value = "";
    field("file").files = event.dataTransfer.files;
    show();
  });

  function refuse(message, hint) {
    const box = document.createElement("div");
    box.className = "notice bad";
    box.setAttribute("role", "alert");
    for (const [kind, words] of [["what", message], ["soft", hint]]) {
      if (!words) continue;
      const line = document.createElement("div");
      line.className = kind;
      line.textContent = words;
      box.append(line);
    }
    for (const old of document.querySelectorAll("main .notice.bad")) old.remove();
    form.before(box);
    box.scrollIntoView({ block: "nearest" });
  }

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
    const request = new XMLHttpRequest();
    const start = performance.now();
    const idle = () => { send.disabled = false; bar.hidden = true; rate.textContent = ""; };
    request.open("POST", `/api/v1/datasets/${form.dataset.dataset.split("/")[0]}/${name}/versions`);
    request.setRequestHeader("X-CSRFToken", field("csrfmiddlewaretoken").value);
    request.upload.onprogress = (one) => {
      if (!one.lengthComputable) return;
      bar.value = one.loaded / one.total;
      const per_s = one.loaded / Math.max(1e-3, (performance.now() - start) / 1000);
      rate.textContent = one.loaded < one.total
        ? `${mega(one.loaded)} of ${mega(one.total)}, ${mega(per_s)}/s, ${Math.ceil((one.total - one.loaded) / per_s)} s left`
        : "Reading it ...";
    };
    request.onerror = () => {
      idle();
      refuse("The upload broke off: the hub is not reached, or a file changed on the disk since it was chosen.", "Choose the files again and repeat.");
    };
    request.onload = () => {
      let answer = {};
      try { answer = JSON.parse(request.responseText); } catch { /* an error page */ }
      if (request.status === 202) { location.href = `/jobs/${answer.job}`; return; }
      if (request.status === 200 || request.status === 201) { location.href = `/datasets/${answer.dataset}?version=${answer.number}`; return; }
      idle();
      refuse(answer.message || `The hub answered with status ${request.status}.`, answer.hint || "");
    };
    send.disabled = true;
    bar.hidden = false;
    bar.value = 0;
    request.send(data);
  });
}
