// What the uploads of models and of datasets share. Without it their forms are sent as any other.
function bytesText(bytes) {
  for (const unit of ["B", "kB", "MB"]) {
    if (bytes < 1000) return `${unit === "B" ? bytes : bytes.toFixed(1)} ${unit}`;
    bytes /= 1000;
  }
  return `${bytes.toFixed(1)} GB`;
}

function markDrop(drop) {
  for (const name of ["dragenter", "dragover"])
    drop.addEventListener(name, (event) => { event.preventDefault(); drop.classList.add("over"); });
  for (const name of ["dragleave", "drop"]) drop.addEventListener(name, () => drop.classList.remove("over"));
}

function showRefusal(put, message, hint) {
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
  put(box);
  box.scrollIntoView({ block: "nearest" });
}

// Send data of a form and show the progress in it; `last` are the words once all is sent. `next` says from an answer and
// its status where the page goes on; `refuse` is called with what went wrong, and a hint.
function sendForm(form, address, data, { last, next, refuse }) {
  const [bar, rate, button] = ["progress", "[data-rate]", "button"].map((one) => form.querySelector(one));
  const request = new XMLHttpRequest();
  const start = performance.now();
  const idle = () => { button.disabled = false; bar.hidden = true; rate.textContent = ""; };
  request.open("POST", address);
  request.setRequestHeader("X-CSRFToken", form.elements.namedItem("csrfmiddlewaretoken").value);
  request.upload.onprogress = ({ lengthComputable, loaded, total }) => {
    if (!lengthComputable) return;
    bar.value = loaded / total;
    const per_s = loaded / Math.max(1e-3, (performance.now() - start) / 1000);
    rate.textContent = loaded < total
      ? `${bytesText(loaded)} of ${bytesText(total)}, ${bytesText(per_s)}/s, ${Math.ceil((total - loaded) / per_s)} s left`
      : last;
  };
  request.onerror = () => {
    idle();
    refuse("The upload broke off: the hub is not reached, or a file changed on the disk since it was chosen.", "Choose the files again and repeat.");
  };
  request.onload = () => {
    let answer = {};
    try { answer = JSON.parse(request.responseText); } catch { /* an error page */ }
    if (request.status >= 200 && request.status < 300) {
      location.href = next(answer, request.status);
      return;
    }
    idle();
    refuse(answer.message || `The hub answered with status ${request.status}.`, answer.hint || "");
  };
  button.disabled = true;
  bar.hidden = false;
  bar.value = 0;
  request.send(data);
}
