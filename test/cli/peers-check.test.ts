import { afterEach, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { onionName } from "../../lib/address/onion.ts";
import { ONION_CONF, SAFE_CONF, TX_ONLY_CONF } from "../monero/conf-files.ts";
import { useCaseFiles } from "../tahoe/use-cases.ts";
import { clear, directory, type Run, run } from "./program.ts";

const ONION = onionName(new Uint8Array(32).fill(7));

afterEach(clear);

function check(...words: readonly string[]): Run {
  return run("peers", "check-location", ...words);
}

function fileOf(text: string | Uint8Array): string {
  const path = join(directory(), "file");
  writeFileSync(path, text);
  return path;
}

describe("a location", () => {
  test.each([
    [`tor:${ONION}:3457`, 0, "safe: "],
    ["disabled", 0, "announces no place"],
    ["onion:80:hiddenServiceDir=/var/lib/tor/my_service", 0, "safe: "],
    ["tcp:1.2.3.4:80", 1, "NOT SAFE: "],
    ["TCP:1.2.3.4:80", 1, "neither of Tor nor of I2P"],
    [`tor:${ONION}:1, tcp:1.2.3.4:5`, 1, "is a tcp hint"],
    ["AUTO", 1, "own addresses"],
  ])("%p: exit code %d", (text, code, words) => {
    const result = check(text);
    expect([result.code, result.errors]).toEqual([code, ""]);
    expect(result.out).toContain(words);
  });

  test("as JSON", () => {
    const { code, out } = check("--json", `tor:${ONION}:1,TCP:1.2.3.4:80`);
    expect(code).toBe(1);
    expect(JSON.parse(out)).toMatchObject({
      schema: "anonctl.peers.location.v1",
      safe: false,
      fault: "unknown",
      hints: [
        { kind: "onion", safe: true, fault: null },
        { kind: "unknown", safe: false, fault: "unknown" },
      ],
    });
  });
});

describe("files", () => {
  test.each([
    ["client1", 1, "client  use case 1"],
    ["client2", 1, "client  use case 2"],
    ["client3", 0, "client  use case 3"],
    ["server1", 1, "server  use case 1"],
    ["server2", 1, "server  use case 2"],
    ["server3", 0, "server  use case 3"],
  ] as const)("the tahoe.cfg of %s: exit code %d", (name, code, words) => {
    const result = check("--tahoe-cfg", fileOf(useCaseFiles[name]));
    expect([result.code, result.errors]).toEqual([code, ""]);
    expect(result.out).toContain(words);
  });

  test.each([
    [SAFE_CONF, 0, "safe: "],
    [ONION_CONF, 0, "safe: "],
    [TX_ONLY_CONF, 1, "line 1    leak   tx-proxy carries this node's own transactions"],
    ["proxy=tor,127.0.0.1:9050\n", 1, "line 1    error  proxy takes IP:PORT"],
  ])("a monero.conf %#", (text, code, words) => {
    const result = check("--monero-conf", fileOf(text));
    expect([result.code, result.errors]).toEqual([code, ""]);
    expect(result.out).toContain(words);
  });

  test("that never end are not read to their end", () => {
    for (const option of ["--tahoe-cfg", "--monero-conf"]) {
      const { code, errors } = check(option, "/dev/zero");
      expect([code, errors]).toEqual([
        2,
        `anonctl peers: ${option} /dev/zero has over 262144 bytes; that is no configuration.\n`,
      ]);
    }
  });

  test("several at once, as JSON lines: one that is not safe decides", () => {
    const { code, out } = check(
      ...["--json", "disabled", "--tahoe-cfg", fileOf(useCaseFiles.server2)],
      ...["--monero-conf", fileOf(SAFE_CONF)],
    );
    expect(code).toBe(1);
    const documents = out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(documents).toMatchObject([
      { schema: "anonctl.peers.location.v1", safe: true },
      {
        schema: "anonctl.peers.tahoe-cfg.v1",
        ...{ safe: false, hides: false, client_use_case: 2, server_use_case: 2 },
        findings: [{ line: null, level: "leak" }, {}, {}, { line: 3, code: "location-tcp" }],
      },
      { schema: "anonctl.peers.monero-conf.v1", safe: true, findings: [] },
    ]);
  });

  test.each<[string[], string]>([
    [[], "nothing to check"],
    [["--tahoe-cfg", "/none/tahoe.cfg"], "can't be read"],
    [["--monero-conf", "/"], "can't be read"],
    [["--tahoe-cfg", "-", "--monero-conf", "-"], "one of both"],
    [["a", "b"], "too many arguments"],
  ])("usage %j: exit code 2", (words, message) => {
    const { code, out, errors } = check(...words);
    expect([code, out]).toEqual([2, ""]);
    expect(errors).toContain(message);
  });

  test.each<[string | Uint8Array, string]>([
    ["a = 1\n", "Line 1 stands before the first section"],
    [Uint8Array.of(0x5b, 0xff, 0x5d), "not text in UTF-8"],
    ["x".repeat(300_000), "over 262144 bytes"],
  ])("a tahoe.cfg that nobody can read %#: exit code 2", (text, message) => {
    const { code, errors } = check("--tahoe-cfg", fileOf(text));
    expect(code).toBe(2);
    expect(errors).toContain(message);
  });
});

describe("hs create --for tahoe --anonymize", () => {
  function create(...words: readonly string[]): Run {
    return run("hs", "create", "tub", "--data-dir", directory(), "--for", "tahoe", ...words);
  }

  /** The lines for tahoe.cfg, as they would stand in it. */
  function pasted(out: string): string {
    return out.slice(out.indexOf("# tahoe.cfg"), out.indexOf("# torrc"));
  }

  test.each([
    ["a new node", undefined],
    ["a client", useCaseFiles.client2],
    ["a hidden server", useCaseFiles.server3],
  ])("of %s prints lines that are safe", (_, text) => {
    const words = text === undefined ? [] : ["--tahoe-cfg", fileOf(text)];
    for (const flag of [["--anonymize"], ["--reveal-IP-address", "false"]]) {
      const { code, out } = create(...flag, ...words);
      expect(code).toBe(0);
      const checked = check("--tahoe-cfg", fileOf(pasted(out)));
      expect([checked.code, checked.out]).toEqual([
        0,
        expect.stringContaining("server  use case 3"),
      ]);
    }
  });

  test.each([
    [useCaseFiles.server1, "is a tcp hint"],
    [useCaseFiles.server2, "Line 3"],
    [useCaseFiles.server1.replace("tcp:storage.example.com:3457", "AUTO"), "own addresses"],
  ])("a file that announces more is refused %#", (text, message) => {
    const { code, out, errors } = create("--anonymize", "--tahoe-cfg", fileOf(text));
    expect([code, out]).toEqual([2, ""]);
    expect(errors).toContain(message);
  });

  test.each<[string[], string]>([
    [["--anonymize", "--single-hop"], "leave one out"],
    [["--anonymize", "--port", "80:10.0.0.1:80"], "beyond this machine"],
    [["--anonymize", "--reveal-IP-address", "true"], "exclude each other"],
    [["--reveal-IP-address", "perhaps"], "neither true nor false"],
    [["--tahoe-cfg", "/none"], "is for --anonymize"],
    [["--anonymize", "--for", "monero"], "add --for tahoe"],
  ])("%j is refused before anything is made", (words, message) => {
    const dataDir = directory();
    const { code, out, errors } = run(
      ...["hs", "create", "tub", "--data-dir", dataDir, "--for", "tahoe", ...words],
    );
    expect([code, out]).toEqual([2, ""]);
    expect(errors).toContain(message);
    expect(run("hs", "list", "--data-dir", dataDir).out).not.toContain("tub");
  });
});

describe("node --anonymize", () => {
  test.each<[string[], string]>([
    [["--anonymize"], "--anonymize needs a proxy"],
    [["--anonymize", "--anonymous-inbound", "1.2.3.4:5,127.0.0.1:6"], "not an .onion or .i2p name"],
    [["--anonymize", "--anonymous-inbound", "AUTO"], "not an .onion or .i2p name"],
    [["--anonymize", "--anonymous-inbound", `${ONION},0.0.0.0:6`], "beyond this machine"],
    [["--anonymize", "--rpc-bind-ip", "0.0.0.0", "--confirm-external-bind"], "beyond this machine"],
    [["--anonymize", "--add-peer", "10.0.0.1:5"], "no exit of Tor reaches"],
    [["--anonymize", "--proxy", "127.0.0.1:9050"], "public zone"],
    [["--anonymize", "--reveal-IP-address", "true"], "exclude each other"],
    [["--protocol", "ethereum", "--anonymize"], "--anonymize needs a proxy"],
  ])("%j is refused", (words, message) => {
    const needsNone = message.includes("needs a proxy");
    const proxy = needsNone ? [] : ["--tx-proxy", "tor,127.0.0.1:9"];
    const { code, errors } = run("node", "--data-dir", directory(), ...proxy, ...words);
    expect(code).toBe(2);
    expect(errors).toContain(message);
  });

  test("reveal-IP-address=false in the file says the same", () => {
    const file = fileOf(
      "reveal-IP-address=false\nrpc-bind-ip=0.0.0.0\nconfirm-external-bind=1\ntx-proxy=tor,127.0.0.1:9\n",
    );
    const { code, errors } = run("node", "--data-dir", directory(), "--config-file", file);
    expect(code).toBe(2);
    expect(errors).toContain("beyond this machine");
  });
});
