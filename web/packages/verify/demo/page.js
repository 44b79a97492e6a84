import { verify } from "../dist/index.js";

const MARKS = { holds: "✓", fails: "✗", "not checked": "?", "nothing to check": "–" };
const VERDICTS = {
  holds: "The receipt holds. This does not prove that the ledger's validators were honest.",
  fails: "The receipt does not hold.",
  incomplete: "Nothing failed, but not everything was checked.",
};
const MOST_ROWS = 8;

const form = document.querySelector("form");
const verdict = document.querySelector("#verdict");
const checks = document.querySelector("#checks");
const outputs = document.querySelector("#outputs");

function element(name, text, attributes = {}) {
  const made = document.createElement(name);
  made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

/** The first rows of what the model computed. */
function table(name, { shape, data }) {
  const made = element("table", "");
  made.append(element("caption", `${name} [${shape.join(" × ")}]`));
  const width = shape.length > 1 ? data.length / shape[0] : 1;
  for (let row = 0; row < Math.min(data.length / width, MOST_ROWS); row++) {
    const cells = element("tr", "");
    for (const value of data.slice(row * width, (row + 1) * width).slice(0, 12))
      cells.append(
        element("td", typeof value === "number" ? value.toPrecision(7) : String(value)),
      );
    made.append(cells);
  }
  return made;
}

async function evidenceOf(files) {
  const evidence = {};
  // A field that was left empty gives a file without a name.
  for (const [part, file] of files)
    if (file.name)
      evidence[part] = { name: file.name, content: new Uint8Array(await file.arrayBuffer()) };
  return evidence;
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  for (const part of [checks, outputs]) part.replaceChildren();
  verdict.textContent = "Computing…";
  delete verdict.dataset.verdict;
  try {
    const result = await verify(await evidenceOf(new FormData(form)));
    for (const { status, what } of result.checks)
      checks.append(element("li", what, { "data-status": status, "data-mark": MARKS[status] }));
    for (const [name, tensor] of result.outputs ?? []) outputs.append(table(name, tensor));
    verdict.textContent = VERDICTS[result.verdict];
    verdict.dataset.verdict = result.verdict;
  } catch (error) {
    verdict.textContent = String(error);
    verdict.dataset.verdict = "fails";
  }
});
