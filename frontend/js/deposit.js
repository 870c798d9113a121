/* Paying in: suggested amounts without a reload, and how much time is left. */
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
  const tick = () => document.querySelectorAll("[data-until]").forEach(n => {
    const left = Math.max(0, n.dataset.until - Math.floor(Date.now() / 1000)), hours = Math.floor(left / 3600);
    n.textContent = left > 172800 ? "" : (hours ? `${hours}:` : "") + `${two(Math.floor(left / 60) % 60)}:${two(left % 60)}`;
  });
  tick(); setInterval(tick, 1000);
})();
