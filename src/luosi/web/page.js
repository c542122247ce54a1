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
