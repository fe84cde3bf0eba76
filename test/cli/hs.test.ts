import { afterEach, describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseClientCredentialFile } from "../../lib/tor/client-auth.ts";
import { seedOnions } from "../address/known-onions.ts";
import { closeAll } from "../socks/loopback.ts";
import { fakeTor, OnionHost } from "../tor/fake-tor.ts";
import { clear, directory, run, start } from "./program.ts";

afterEach(async () => {
  await clear();
  await closeAll();
});

const ADDRESS = /[a-z2-7]{56}\.onion/;

/** A data directory with a service "web". */
function withService(...more: readonly string[]): { kept: string[]; address: string; out: string } {
  const kept = ["--data-dir", directory()];
  const { code, out, errors } = run(
    ...["hs", "create", "web", "--port", "80:127.0.0.1:8080", ...kept, ...more],
  );
  expect({ code, errors }).toEqual({ code: 0, errors: "" });
  return { kept, address: ADDRESS.exec(out)?.[0] ?? "", out };
}

function parsed(text: string): Record<string, unknown> {
  const value: unknown = JSON.parse(text);
  return Object.fromEntries(Object.entries(value ?? {}));
}

test("Without tor a service is made, and told how to have it up", () => {
  const { kept, address, out } = withService();
  expect(address).toMatch(ADDRESS);
  expect(out).toContain(`80 leads to 127.0.0.1:8080`);
  expect(out).toContain(`$ anonctl hs serve web --data-dir ${kept[1]}`);
  expect(run("hs", "list", ...kept).out).toMatch(/^NAME +KIND.*\nweb +onion +80 > 127.0.0.1:8080/);
  expect(run("hs", "show", "web", ...kept).out).toContain(address);
});

test("A service that leads beyond this machine is made, with a warning", () => {
  const kept = ["--data-dir", directory()];
  const told =
    "WARNING: port 80 leads to 8.8.8.8:8080, beyond this machine: on that last stretch, what is said travels in the open.\n";
  const words = ["--port", "80:8.8.8.8:8080", "--port", "81:[::1]:8080", ...kept];
  const made = run("hs", "create", "web", ...words);
  expect({ code: made.code, errors: made.errors }).toEqual({ code: 0, errors: told });
  const folder = join(directory(), "out");
  expect(run("hs", "export", "web", folder, ...kept).code).toBe(0);
  const taken = run("hs", "import", folder, "--name", "back", ...words);
  expect({ code: taken.code, errors: taken.errors }).toEqual({ code: 0, errors: told });
});

test("--port has one grammar in every text", () => {
  for (const name of ["create", "import"]) {
    expect(run("hs", name, "--help").out).toContain("--port <VIRTUAL[:[IP:]PORT]>");
  }
  expect(run("hs", "create", "web").errors).toContain("--port VIRTUAL[:[IP:]PORT], as in 80");
});

test("The key is printed where it is asked for, and nowhere else", () => {
  const { kept } = withService("--client-auth", "laptop");
  const key = String(parsed(run("hs", "show", "web", "--show-key", "--json", ...kept).out)["key"]);
  expect(key).toMatch(/^ED25519-V3:[A-Za-z0-9+/]{86}==$/);
  const secret = key.slice("ED25519-V3:".length);
  const { clients } = parsed(run("hs", "show", "web", "--json", ...kept).out);
  const file = JSON.stringify(clients).match(/[^"]*\.auth_private/)?.[0] ?? "";
  const credential = readFileSync(file, "utf8").trim();
  const said = [
    run("hs", "show", "web", ...kept),
    run("hs", "show", "web", "--json", ...kept),
    run("hs", "list", "--json", ...kept),
    run("hs", "auth", "list", "web", ...kept),
    run("hs", "export", "web", join(directory(), "out"), ...kept),
    run("hs", "serve", "--control", "127.0.0.1:1", ...kept),
  ]
    .map(({ out, errors }) => out + errors)
    .join("");
  expect(said).toContain("laptop");
  expect(said).not.toContain(secret);
  expect(said).not.toContain(credential.split(":").at(-1) ?? "nothing");
});

test("Every document of --json has a schema", () => {
  const { kept } = withService();
  const folder = join(directory(), "out");
  const schemas = [
    ["show", "web"],
    ["list"],
    ["auth", "add", "web", "a"],
    ["auth", "list", "web"],
    ["auth", "remove", "web", "a", "--open"],
    ["export", "web", folder],
    ["import", folder, "--name", "back", "--for", "monero"],
    ["remove", "web"],
  ].map((words) => parsed(run("hs", ...words, "--json", ...kept).out)["schema"]);
  expect(schemas).toEqual([
    "anonctl.hs.service.v1",
    "anonctl.hs.list.v1",
    "anonctl.hs.client.v1",
    "anonctl.hs.clients.v1",
    "anonctl.hs.client-removed.v1",
    "anonctl.hs.exported.v1",
    "anonctl.hs.service.v1",
    "anonctl.hs.removed.v1",
  ]);
});

test.each([
  ["monero", ["tx-proxy=tor,127.0.0.1:9050", "anonymous-inbound=", "18083,127.0.0.1:18084"]],
  ["monero-rpc", ["rpc-restricted-bind-port=18089", "--daemon-address"]],
  ["tahoe", ["tub.port = tcp:3457:interface=127.0.0.1", "tub.location = tor:"]],
  ["ethereum", ["onion3 = ", "30303"]],
  ["anonctl", ["anonctl node --anonymous-inbound"]],
])("--for %s prints the lines to paste", (use, lines) => {
  const { code, out } = run("hs", "create", "x", "--for", use, "--data-dir", directory());
  expect(code).toBe(0);
  for (const line of lines) expect(out).toContain(line);
});

test("Clients come and go; the last one only on purpose", () => {
  const { kept, address } = withService();
  const added = parsed(run("hs", "auth", "add", "web", "laptop", "--json", ...kept).out);
  const file = String(added["file"]);
  expect(parseClientCredentialFile(readFileSync(file, "utf8")).address).toBe(address);
  const own = ["auth", "add", "web", "phone", "--public-key", String(added["public_key"])];
  expect(run("hs", ...own, ...kept).code).toBe(0);
  expect(
    run("hs", "auth", "list", "web", ...kept)
      .out.trim()
      .split("\n"),
  ).toHaveLength(2);
  expect(run("hs", "auth", "remove", "web", "phone", ...kept).code).toBe(0);
  const last = run("hs", "auth", "remove", "web", "laptop", ...kept);
  expect(last.code).toBe(2);
  expect(last.errors).toContain("everybody may connect");
  expect(run("hs", "auth", "remove", "web", "laptop", "--open", ...kept).code).toBe(0);
});

describe("usage: exit code 2, a sentence, and nothing kept", () => {
  test.each<[string[], string]>([
    [["create", "web"], "needs a port"],
    [["create", "Web", "--port", "80"], "lower-case"],
    [["create", "web", "--port", "80:localhost:1"], "VIRTUAL[:[IP:]PORT]"],
    [["create", "web", "--port", "0:127.0.0.1:8080"], "virtual port 0 is not from 1 to 65535"],
    [["create", "web", "--port", "80", "--sam", "127.0.0.1:1"], "--sam is for I2P"],
    [["create", "web", "--port", "80", "--sam-option", "a=1"], "--sam-option is for I2P"],
    [["create", "web", "--port", "80", "--port", "80:1"], "given twice"],
    [["create", "web", "--port", "80", "--for", "bitcoin"], "none of monero"],
    [["create", "web", "--for", "tahoe", "--i2p"], "does not go with I2P"],
    [["create", "web", "--port", "80", "--max-streams", "0"], "1 to 65535"],
    [["create", "web", "--port", "80", "--serve", "--detach"], "exclude each other"],
    [["create", "web", "--port", "80", "--ephemeral", "--detach"], "exclude each other"],
    [["create", "web", "--port", "80", "--ephemeral", "--client-auth", "a"], "--show-key"],
    [["create", "web", "--port", "80", "--tor", "launch", "--control", "9051"], "leave one out"],
    [["create", "web", "--port", "80", "--control", "localhost:9051"], "IP:PORT"],
    [["create", "web", "--port", "80", "--control-password-file", "/none"], "can't be read"],
    [["create", "web", "--port", "80", "--client-auth", "a", "--client-auth", "a"], "twice"],
    [["show", "web"], "none is kept yet"],
    [["remove", "web"], "none is kept yet"],
    [["serve"], "No service is kept yet"],
    [["watch", "web"], "none is kept yet"],
    [["watch", `${"a".repeat(56)}.onion`], "onion"],
    [["watch", "web.onion", "--timeout", "1s"], "onion"],
    [["import", "/nowhere"], "needs a port"],
    [["import", "/nowhere", "--port", "80"], '"/nowhere" holds no hs_ed25519_secret_key; name a H'],
    [["import", "/dev/null", "--port", "80"], '"/dev/null" holds no hs_ed25519_secret_key; name'],
    [["bogus"], "unknown command"],
  ])("hs %p", (words, sentence) => {
    const kept = directory();
    const { code, errors } = run(
      "hs",
      ...words,
      ...(words[0] === "bogus" ? [] : ["--data-dir", kept]),
    );
    expect(errors).toContain(sentence);
    expect(code).toBe(2);
    expect(run("hs", "list", "--json", "--data-dir", kept).out).toContain('"services":[]');
  });
});

test.each<[string[]]>([
  [["create", "web", "--port", "80", "--control", "127.0.0.1:1"]],
  [["create", "web", "--port", "80", "--control", "unix:/nowhere"]],
  [["create", "web", "--i2p", "--port", "80", "--sam", "127.0.0.1:1"]],
  [["watch", seedOnions[0] ?? "", "--control", "127.0.0.1:1"]],
])("What is not on this machine: exit code 3: hs %p", (words) => {
  const kept = directory();
  const { code, errors, out } = run("hs", ...words, "--data-dir", kept);
  expect({ code, out }).toEqual({ code: 3, out: "" });
  expect(errors).toMatch(/^anonctl hs: .+\.\n$/);
  expect(run("hs", "list", "--json", "--data-dir", kept).out).toContain('"services":[]');
});

test("Served until a signal: 130 after SIGINT, 0 after SIGTERM, and tor is left clean", async () => {
  const host = new OnionHost();
  const tor = await fakeTor(host.answer);
  const place = "port" in tor.place ? `127.0.0.1:${tor.place.port}` : "";
  const { kept, address } = withService();
  for (const [signal, code] of [
    ["SIGINT", 130],
    ["SIGTERM", 0],
  ] as const) {
    const serving = await start(/publishing/, "hs", "serve", ...kept, "--control", place);
    expect([...host.held.keys()]).toEqual([address]);
    serving.child.kill(signal);
    expect(await serving.exited).toBe(code);
    expect(serving.output().out).toMatch(/web down: /);
    while (host.held.size > 0) await Bun.sleep(1);
  }
});

test("A service that is created while others are served comes up with them", async () => {
  const host = new OnionHost();
  const tor = await fakeTor(host.answer);
  const place = "port" in tor.place ? `127.0.0.1:${tor.place.port}` : "";
  const { kept } = withService();
  const serving = await start(/publishing/, "hs", "serve", ...kept, "--control", place);
  expect(run("hs", "create", "mail", "--port", "25", ...kept).code).toBe(0);
  while (host.held.size < 2) await Bun.sleep(5);
  expect(run("hs", "remove", "web", ...kept).code).toBe(0);
  while (host.held.size > 1) await Bun.sleep(5);
  serving.child.kill("SIGTERM");
  expect(await serving.exited).toBe(0);
});

test("A file that is no password is not quoted", () => {
  const file = join(directory(), "password");
  writeFileSync(file, `${"x".repeat(2_000)}\n`);
  const { code, errors } = run("hs", "serve", "--control-password-file", file);
  expect(code).toBe(2);
  expect(errors).not.toContain("xxx");
});
