/* Lists of orders: the question before canceling opens as a dialog, all boxes are ticked at once, ids are copied. */
(() => {
  const d = document, ask = d.getElementById("ask"), body = d.getElementById("ask-body");
  d.addEventListener("htmx:after:swap", e => {
    const target = e.detail?.ctx?.target || e.target;
    if (target !== body || !body.firstElementChild) return;
    d.querySelectorAll(":popover-open").forEach(p => p.hidePopover());
    if (!ask.open) ask.showModal();
    body.querySelector("[autofocus]")?.focus();
  });
  ask?.addEventListener("close", () => body.replaceChildren());
  d.addEventListener("click", e => {
    if (e.target.closest("[data-close-ask]") && ask?.open) { e.preventDefault(); ask.close(); return; }
    const copy = e.target.closest("[data-copy-picked]");
    if (!copy || !navigator.clipboard) return;
    e.preventDefault();
    const ids = [...d.querySelectorAll(`[name="${copy.dataset.copyPicked}"]:checked`)].map(box => box.value);
    navigator.clipboard.writeText(ids.join("\n"));
    d.dispatchEvent(new CustomEvent("panel:toast", { detail: { title: copy.getAttribute("aria-label"), text: ids.join(", ") } }));
  });
  d.addEventListener("change", e => {
    const name = e.target.dataset?.checkAll;
    if (name) d.querySelectorAll(`[name="${name}"]`).forEach(box => { box.checked = e.target.checked; });
  });
})();
