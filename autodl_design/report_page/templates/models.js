// Shows a model where one points at it, and its cells where one clicks on it: points of pictures and numbers in
// tables are links, #model-N.
function modelOf(target) {
  const link = target.closest?.("a");
  const name = link && (link.getAttribute("href") ?? link.getAttribute("xlink:href"));
  return name?.startsWith("#model-") ? name.slice("#model-".length) : null;
}

let parsed = { from: null, data: { models: {} } };

function allModels() {
  const from = document.getElementById("models-data"); // another one after each refresh
  if (from && from !== parsed.from) parsed = { from, data: JSON.parse(from.textContent) };
  return parsed.data;
}

function describe(number, model) {
  const [step, accuracy, reward, parameters, again] = model;
  let text = `model ${number}, of step ${step}: accuracy ${accuracy.toFixed(3)}`;
  if (again !== null) text += ` in the search, ${again.toFixed(3)} when trained again`;
  if (reward !== accuracy) text += `, reward ${reward.toFixed(3)}`;
  return `${text}, ${parameters.toLocaleString("en")} parameters`;
}

// The nodes of a cell below one another, with an arc from each to the nodes that it feeds.
function cellPicture(operations, edges) {
  const height = 26, count = operations.length, top = 18;
  const y = (node) => top + height * (node + 1);
  const inputs = operations.map((_, node) => [...Array(node).keys()].filter((other) => edges[(node * (node - 1)) / 2 + other] === "1"));
  const feeds = new Set(inputs.flat());
  const left = 20 + Math.min(10 * count, 150);
  const parts = [];
  const arc = (from, to) => {
    const bend = Math.min(10 + 9 * (to - from), left - 10);
    parts.push(`<path d="M ${left} ${y(from)} C ${left - bend} ${y(from)} ${left - bend} ${y(to)} ${left} ${y(to)}"/>`);
  };
  operations.forEach((operation, node) => {
    const from = inputs[node].length ? inputs[node].join(", ") : "input";
    const out = feeds.has(node) ? "" : ", to the output";
    inputs[node].forEach((other) => arc(other, node));
    parts.push(`<circle cx="${left}" cy="${y(node)}" r="4" class="${inputs[node].length ? "" : "source"}"/>`);
    parts.push(`<text x="${left + 10}" y="${y(node) + 4}">${node}: ${operation}</text>`);
    parts.push(`<text x="${left + 130}" y="${y(node) + 4}" class="soft">from ${from}${out}</text>`);
  });
  return `<svg class="cell" viewBox="0 ${height / 2} ${left + 330} ${height * (count + 1)}" width="${left + 330}">${parts.join("")}</svg>`;
}

function showModel(number) {
  const panel = document.getElementById("model");
  const { models, operations } = allModels();
  const model = models[number];
  if (!panel || !model) return;
  const [tokens, edges] = model.slice(5);
  let text = `<h2>Model ${Number(number)}</h2><p>This is ${describe(number, model)}.</p>`;
  if (tokens) {
    const nodes = tokens.length / 2, half = edges.length / 2;
    const cell = (name, first, from) => `<figure><h3>${name}</h3><div class="wide">` +
      cellPicture(tokens.slice(first, first + nodes).map((token) => operations[token]), edges.slice(from, from + half)) + "</div></figure>";
    text += `<div class="pair">${cell("Normal cell", 0, 0)}${cell("Reduction cell", nodes, half)}</div>`;
  } else {
    text += '<p class="note">Its cells stand in history.jsonl: the page has room for those of some models only.</p>';
  }
  panel.innerHTML = text;
  panel.hidden = false;
  panel.dataset.number = number;
}

document.addEventListener("click", (event) => {
  const number = modelOf(event.target);
  if (number === null) return;
  event.preventDefault();
  showModel(number);
  document.getElementById("model")?.scrollIntoView({ block: "nearest", behavior: "smooth" });
});

document.addEventListener("mouseover", (event) => {
  const number = modelOf(event.target);
  const hint = document.getElementById("hint");
  const model = number === null ? null : allModels().models[number];
  hint.hidden = !model;
  if (!model) return;
  hint.textContent = describe(number, model);
  hint.style.left = 0; // where it is not squeezed, to be measured
  const box = hint.getBoundingClientRect();
  hint.style.left = `${Math.max(0, Math.min(event.clientX + 12, innerWidth - box.width - 4))}px`;
  hint.style.top = `${event.clientY + 16 + box.height > innerHeight ? event.clientY - box.height - 8 : event.clientY + 16}px`;
});
