import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import manifest from "../../package.json";
import { repository } from "../house/tree.ts";

/** Every page for people, by its path. */
const pages = ["", "docs", "bench"].flatMap((folder) =>
  existsSync(join(repository, folder))
    ? readdirSync(join(repository, folder))
        .filter((name) => name.endsWith(".md"))
        .map((name) => join(folder, name))
    : [],
);

function textOf(page: string): string {
  return readFileSync(join(repository, page), "utf8");
}

/** What a page names that has to be there, as `page: name` where it is not. */
function missingIn(page: string, text: string): string[] {
  const links = [...text.matchAll(/\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)/g)].map(([, to = ""]) =>
    join(dirname(page), to),
  );
  const paths = [
    ...text.matchAll(/`(?:npx bun(?: test)? )?((?:test|examples|bench|docs)\/[\w./-]+)`/g),
    ...text.matchAll(/npx bun(?: test)?\s+((?:test|examples)\/[\w./-]+)/g),
  ].map(([, path = ""]) => path.replace(/[/.]$/, ""));
  return [...new Set([...links, ...paths])]
    .filter((path) => !/NAME/.test(path) && !existsSync(join(repository, path)))
    .map((path) => `${page}: ${path}`);
}

function unknownScripts(page: string, text: string): string[] {
  return [...text.matchAll(/npm run ([\w:-]+)/g)]
    .map(([, name = ""]) => name)
    .filter((name) => !Object.hasOwn(manifest.scripts, name))
    .map((name) => `${page}: npm run ${name}`);
}

describe("the pages for people", () => {
  test("are found", () => {
    expect(pages).toContain("README.md");
    expect(pages).toContain("docs/node.md");
  });

  test.each(pages)("%s names only files that are there", (page) => {
    expect(missingIn(page, textOf(page))).toEqual([]);
  });

  test.each(pages)("%s names only scripts that package.json has", (page) => {
    expect(unknownScripts(page, textOf(page))).toEqual([]);
  });

  test("a name that leads nowhere is found", () => {
    const text =
      "[a](docs/none.md), `test/none.test.ts`, `npx bun test test/nowhere`, npm run none";
    expect(missingIn("README.md", text)).toEqual([
      "README.md: docs/none.md",
      "README.md: test/none.test.ts",
      "README.md: test/nowhere",
    ]);
    expect(unknownScripts("README.md", text)).toEqual(["README.md: npm run none"]);
  });

  test("the node's page tells the largest transaction as the code has it", async () => {
    const { transactionBytesMax } = await import("../../mod.ts");
    const words = transactionBytesMax().toLocaleString("en");
    expect(textOf("docs/node.md")).toContain(`${words} bytes`);
    expect(textOf("README.md")).toContain(`${words} bytes`);
  });
});
