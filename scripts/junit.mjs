/**
 * One test as a JUnit report tells it.
 *
 * @typedef {object} TestCase
 * @property {string} name the names of its groups and its own
 * @property {string} file path of its file, as the runner was given it
 * @property {"passed" | "failed" | "skipped"} outcome how it ended
 */

/** Bun's name for a hook, which it lists among the tests. */
const HOOK = "(unnamed)";

const entities = /** @type {Record<string, string>} */ ({
  amp: "&",
  apos: "'",
  gt: ">",
  lt: "<",
  quot: '"',
});

/**
 * @param {string} text an XML attribute's value
 * @returns {string} what it stands for
 */
function unescapeXml(text) {
  return text.replace(/&(?:#(\d+)|(\w+));/g, (whole, code, name) =>
    code === undefined ? (entities[name] ?? whole) : String.fromCodePoint(Number(code)),
  );
}

/**
 * @param {string} attributes inside of an XML tag
 * @param {string} name attribute wanted
 * @returns {string} its value, empty when it is not there
 */
function attribute(attributes, name) {
  const match = new RegExp(`(?:^|\\s)${name}="([^"]*)"`).exec(attributes);
  return unescapeXml(match?.[1] ?? "");
}

/**
 * Reads the tests from a report that `bun test --reporter=junit` wrote.
 *
 * @param {string} xml the report
 * @returns {TestCase[]} every test in it; a hook only where it failed
 */
export function readJunit(xml) {
  const cases = /** @type {TestCase[]} */ ([]);
  for (const match of xml.matchAll(/<testcase\s([^>]*?)(?:\/>|>([\s\S]*?)<\/testcase>)/g)) {
    const attributes = match[1] ?? "";
    const inside = match[2] ?? "";
    const outcome = /<(?:failure|error)\b/.test(inside)
      ? "failed"
      : /<skipped\b/.test(inside)
        ? "skipped"
        : "passed";
    const own = attribute(attributes, "name");
    if (own === HOOK && outcome !== "failed") {
      continue;
    }
    const group = attribute(attributes, "classname");
    cases.push({
      name: group === "" ? own : `${group} > ${own}`,
      file: attribute(attributes, "file"),
      outcome,
    });
  }
  return cases;
}

/**
 * Adds what a report cannot say: a file whose process ended early, could not load, or held no test
 * is in no report, and must not pass for that.
 *
 * @param {readonly TestCase[]} cases what the report holds
 * @param {readonly string[]} files every file that was to run, relative to the root
 * @param {number | null} code exit code of the runner, null when a signal ended it
 * @returns {TestCase[]} all of them, and a failed one for each file without a result
 */
export function accountForFiles(cases, files, code) {
  const reported = new Set(cases.map((one) => one.file));
  const silent = files
    .filter((file) => !reported.has(file))
    .map((file) => ({
      name: "no result: it did not load, ended early, or holds no test",
      file,
      outcome: /** @type {const} */ ("failed"),
    }));
  const all = [...cases, ...silent];
  if (code !== 0 && !all.some((one) => one.outcome === "failed")) {
    const name = `the test process ended with ${code === null ? "a signal" : `code ${code}`}`;
    all.push({ name, file: files.join(", "), outcome: "failed" });
  }
  return all;
}
