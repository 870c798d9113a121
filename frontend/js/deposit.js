/* Paying in: suggested amounts without a reload, how much time is left, and looking anew where nothing tells of news. */
(() => {
  const two = n => String(n).padStart(2, "0");
  document.addEventListener("click", e => {
    const chip = e.target.closest("[data-amount]"), field = document.querySelector("#amount");
    if (!chip || !field || e.metaKey || e.ctrlKey) return;
    e.preventDefault();
    field.value = chip.dataset.amount;
    field.dispatchEvent(new Event("input", { bubbles: true }));
    field.focus();
  });
  const look = () => document.body.dispatchEvent(new CustomEvent("panel:deposits"));
  const tick = () => document.querySelectorAll("[data-until]").forEach(n => {
    const left = Math.max(0, n.dataset.until - Math.floor(Date.now() / 1000)), hours = Math.floor(left / 3600);
    n.textContent = left > 172800 ? "" : (hours ? `${hours}:` : "") + `${two(Math.floor(left / 60) % 60)}:${two(left % 60)}`;
    if (!left && n.dataset.over === undefined) { n.dataset.over = ""; look(); }
  });
  tick(); setInterval(tick, 1000);
  // Without a stream of hints (readyState 1: open), pages that wait for money look by themselves.
  setInterval(() => document.hidden || window.liveStream?.readyState === 1 || look(), 10000);
  document.addEventListener("click", e => e.target.closest("[data-print]") && print());
})();
