// A node of the chain is a button: a click, Enter or Space chooses its step on the server.
const luosiNode = (event) => event.target.closest?.("svg.chain .node");
document.addEventListener("click", (event) => {
  const node = luosiNode(event);
  if (node) emitEvent("luosi_step", Number(node.dataset.step));
});
document.addEventListener("keydown", (event) => {
  const node = luosiNode(event);
  if (node && (event.key === "Enter" || event.key === " ")) {
    event.preventDefault();
    emitEvent("luosi_step", Number(node.dataset.step));
  }
});
// Progress and choice change often; the picture itself is drawn anew only when a state does.
const luosiShares = (shares, chosen) => {
  for (const node of document.querySelectorAll("svg.chain .node")) {
    node.querySelector(".bar").style.setProperty("--share", shares[node.dataset.step] ?? 0);
    node.classList.toggle("chosen", Number(node.dataset.step) === chosen);
  }
};
const luosiScroll = (id) => {
  const log = getHtmlElement(id);
  if (log) log.scrollTop = log.scrollHeight;
};
const luosiFocus = (id) => getHtmlElement(id)?.focus({preventScroll: true});
const luosiLatest = (id) => getHtmlElement(id)?.querySelector(".user:nth-last-child(2)")?.scrollIntoView({block: "start"});
const luosiShow = (id) => setTimeout(() => getHtmlElement(id)?.scrollIntoView({block: "nearest"}), 50);
// Who votes: a random number that this browser keeps; one for this page where it may keep nothing.
const luosiVoter = () => {
  const fresh = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
  try {
    const known = localStorage.getItem("luosi_voter") ?? fresh;
    localStorage.setItem("luosi_voter", known);
    return known;
  } catch {
    return fresh;
  }
};
// Keys of the arena: 1 to 4 or the arrows to either side vote, Enter goes on; never while somebody writes.
const luosiVotes = {1: "left", ArrowLeft: "left", 2: "right", ArrowRight: "right", 3: "tie", 4: "both_bad"};
document.addEventListener("keydown", (event) => {
  const page = document.querySelector(".page.arena");
  if (!page || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey || event.repeat || event.isComposing) return;
  if (event.target.closest?.("input, textarea, [contenteditable]")) return;
  const chosen = luosiVotes[event.key];
  const button = chosen ? page.querySelector(`[data-vote=${chosen}]`) : event.key === "Enter" ? page.querySelector("[data-next]") : null;
  if (!button || button.disabled || (event.key === "Enter" && event.target.closest?.("a, button, summary"))) return;
  event.preventDefault();
  button.click();
});
