// What every page can do: copy a snippet. No page needs this to work.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copy]");
  if (!button) return;
  const text = document.querySelector(button.dataset.copy).textContent;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const range = document.createRange();
    range.selectNodeContents(document.querySelector(button.dataset.copy));
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    document.execCommand("copy");
  }
  const label = button.textContent;
  button.textContent = "Copied";
  setTimeout(() => (button.textContent = label), 1500);
});
// A refusal is shown where its answer belongs; htmx would drop it.
document.addEventListener("htmx:beforeSwap", (event) => {
  const { xhr, target } = event.detail;
  if (xhr.status >= 400 && target.id === "tried") event.detail.shouldSwap = true;
  if (xhr.responseURL && new URL(xhr.responseURL).pathname === "/sign-in") { // the session has ended
    event.detail.shouldSwap = false;
    location.reload();
  }
});
// What cannot be taken back is asked about once more.
document.addEventListener("submit", (event) => {
  if (event.target.dataset.confirm && !confirm(event.target.dataset.confirm)) event.preventDefault();
});
// On a phone the rows of wide tables are blocks: each cell gets the name of its column. htmx brings new tables.
function nameCells() {
  for (const table of document.querySelectorAll("main table:not(.wide-rows, .small)")) {
    const names = [...table.querySelectorAll(":scope > thead th")].map((th) => th.textContent.trim());
    if (names.length < 4) continue;
    for (const row of table.querySelectorAll(":scope > tbody > tr")) {
      let column = 0;
      for (const cell of row.cells) {
        cell.dataset.label = names[column] === "actions" ? "" : names[column] ?? "";
        column += cell.colSpan;
      }
    }
    table.classList.add("wide-rows");
  }
}
nameCells();
document.querySelector(".sections [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
for (const name of ["htmx:afterSwap", "rilaas:replaced"]) document.addEventListener(name, nameCells);
// A page that follows by itself says so when it cannot: what it shows would look like the present.
let away = null;
function sayAway(text) {
  if (away) return;
  away = document.createElement("div");
  away.className = "notice warn away";
  away.setAttribute("role", "status");
  away.textContent = `${text} What you see is from ${new Date().toISOString().slice(11, 19)} UTC.`;
  document.body.append(away);
}
function sayBack() {
  away?.remove();
  away = null;
}
for (const name of ["htmx:sendError", "htmx:timeout", "rilaas:away"]) document.addEventListener(name, () => sayAway("The hub does not answer."));
document.addEventListener("htmx:responseError", (event) => {
  if (event.detail.requestConfig.verb === "get") sayAway("The hub does not give this page any more.");
});
for (const name of ["htmx:afterOnLoad", "rilaas:replaced"]) document.addEventListener(name, (event) => {
  if (!event.detail?.xhr || event.detail.xhr.status < 400) sayBack();
});
