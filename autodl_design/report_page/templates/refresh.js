// Asks for the page again and again, and puts its new contents in the place of the old ones.
const seconds = document.currentScript.dataset.seconds;
const line = document.getElementById("refresh");
let shown = null;

async function refresh() {
  if (document.hidden) return;
  try {
    const response = await fetch("/", { cache: "no-cache" });
    if (!response.ok) throw new Error(response.status);
    const text = await response.text();
    if (shown !== null && text !== shown) {
      const open = document.querySelector("details")?.open;
      const shownModel = document.getElementById("model")?.dataset.number;
      document.querySelector("main").replaceWith(new DOMParser().parseFromString(text, "text/html").querySelector("main"));
      const details = document.querySelector("details");
      if (details) details.open = open;
      if (shownModel !== undefined) showModel(shownModel);
    }
    shown = text;
    line.textContent = `Brought up to date every ${seconds} seconds, last at ${new Date().toLocaleTimeString()}.`;
    line.className = "";
  } catch {
    line.textContent = "report.py --serve does not answer any more; this is the last that it showed.";
    line.className = "lost";
  }
}

setInterval(refresh, 1000 * seconds);
