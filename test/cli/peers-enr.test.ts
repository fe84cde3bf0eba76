import { afterEach, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { onionName } from "../../lib/address/onion.ts";
import { parseRecord } from "../../lib/ethereum/enr.ts";
import { binary } from "../real/binary.ts";
import { clear, directory, type Run } from "./program.ts";

/* The record of EIP-778, "Test Vectors" (CC0), its key, and its URL. */
const EXAMPLE =
  "enr:-IS4QHCYrYZbAKWCBRlAy5zzaDZXJBGkcnh4MHcBFZntXNFrdvJjX04jRzjzCBOonrkTfj499SZuOh8R33Ls8RRcy5wBgmlkgnY0gmlwhH8AAAGJc2VjcDI1NmsxoQPKY0yuDUmstAHYpMa2_oxVtw0RW_QAdpzBQA8yWM0xOIN1ZHCCdl8";
const SECRET = "b71c71a67e1177ad4e901695e1b4b9ee17ae16c6668d313eac2f96dbcda3f291";
const NODE_ID = "a448f24c6d18e575453db13171562b71999873db5b286df957af199ec94617f7";
const PUBLIC_KEY =
  "ca634cae0d49acb401d8a4c6b6fe8c55b70d115bf400769cc1400f3258cd31387574077f301b421bc84df7266c44e9e6d569fc56be00812904767bf5ccd1fc7f";
const URL = `enode://${PUBLIC_KEY}@127.0.0.1:30303`;
const ONION = onionName(new Uint8Array(32).fill(7));
/** gethrelay's fixture, whose checksum is wrong, in a record that it would sign. */
const LOOSE =
  "enr:-Mu4QGicfj6tOm670wEQCAWGRwvXcZcj5IaTcoIvfW1YtUcVVNHCDCmjiAv53QoYRv1yYFhbj334k57es02Dj775PtoBgmlkgnY0gmlwhH8AAAGGb25pb24zuD5hYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejIzNDU2N2FiY2RlZmdoaWprbG1ub3BxcnN0dXYyMi5vbmlvbolzZWNwMjU2azGhA8pjTK4NSay0Adikxrb-jFW3DRFb9AB2nMFADzJYzTE4g3RjcIJ2Xw";

afterEach(async () => await clear());

/** Runs `anonctl peers enr`. */
function enr(words: readonly string[], input = ""): Run {
  const { status, stdout, stderr } = spawnSync(binary(), ["peers", "enr", ...words], {
    ...{ encoding: "utf8", timeout: 20_000, input },
    env: { ...process.env, HOME: directory() },
  });
  return { code: status, out: stdout, errors: stderr };
}

/** A folder with the key of EIP-778's example. */
function exampleKey(): { file: string; words: string[] } {
  const file = join(directory(), "nodekey");
  writeFileSync(file, SECRET, { mode: 0o600 });
  return { file, words: ["--key", file] };
}

function parsed(text: string): Record<string, unknown> {
  const value: unknown = JSON.parse(text);
  return Object.fromEntries(Object.entries(value ?? {}));
}

describe("peers enr make", () => {
  test("makes EIP-778's example with its key, letter for letter, and keeps it", () => {
    const { file, words } = exampleKey();
    const made = enr(["make", ...words, "--udp", "30303", "--ip", "127.0.0.1"]);
    expect(made).toEqual({ code: 0, out: `${EXAMPLE}\n`, errors: "" });
    expect(readFileSync(`${file}.enr`, "utf8")).toBe(`${EXAMPLE}\n`);
  });

  test("makes a key where there is none: 0600, said where it is, never printed", () => {
    const dataDir = join(directory(), "data");
    const words = ["--data-dir", dataDir, "--onion3", ONION, "--tcp", "30303"];
    const made = enr(["make", ...words]);
    const file = join(dataDir, "ethereum", "nodekey");
    expect(made.errors).toBe(`Made the key ${file}; whoever has it is the node.\n`);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const again = enr(["make", ...words, "--json"]);
    expect(again.errors).toBe("");
    expect(parsed(again.out)).toMatchObject({
      schema: "anonctl.peers.enr.v1",
      enr: made.out.trim(),
      sequence: "1",
      bytes: 197,
      onion: `${ONION}:30303`,
      clearnet: [],
      key_file: file,
    });
    const shown = ["show", "--data-dir", dataDir];
    const said = [made, again, enr(shown), enr([...shown, "--json"])]
      .map(({ out, errors }) => out + errors)
      .join("");
    expect(said).not.toContain(readFileSync(file, "utf8").trim());
  });

  test("raises the number when the pairs are others, and only then", () => {
    const { words } = exampleKey();
    const sequence = (...more: string[]): unknown =>
      parsed(enr(["make", ...words, "--json", ...more]).out)["sequence"];
    expect(sequence("--tcp", "1")).toBe("1");
    expect(sequence("--tcp", "1")).toBe("1");
    expect(sequence("--tcp", "2")).toBe("2");
    expect(sequence("--udp", "2")).toBe("3");
    expect(sequence("--udp", "2", "--seq", "10")).toBe("10");
    const back = enr(["make", ...words, "--udp", "2", "--seq", "9"]);
    expect(back).toMatchObject({ code: 2, out: "" });
    expect(back.errors).toContain("9 is not above 10");
  });

  test("takes an enode URL of the same key, and no other", () => {
    const { words } = exampleKey();
    const made = enr(["make", ...words, "--enode", URL, "--onion3", ONION, "--json"]);
    expect(made.errors).toContain("the onion name and the IP address are one node");
    expect(parsed(made.out)).toMatchObject({
      node_id: NODE_ID,
      onion: `${ONION}:30303`,
      clearnet: ["127.0.0.1:30303"],
      enodes: [`enode://${PUBLIC_KEY}@${ONION}:30303?discport=0`, URL],
    });
    const dataDir = directory();
    const missing = enr(["make", "--data-dir", dataDir, "--enode", URL]);
    expect(missing).toMatchObject({ code: 3, out: "" });
    expect(readdirSync(dataDir)).toEqual([]);
    enr(["make", "--data-dir", dataDir]);
    const other = enr(["make", "--data-dir", dataDir, "--enode", URL]);
    expect(other).toMatchObject({ code: 2, out: "" });
    expect(other.errors).toContain("--enode names a node whose key is not that of --key");
  });

  test.each<[string, string[]]>([
    ["wrong checksum", ["--onion3", ONION.replace(/^./, (sign) => (sign === "a" ? "b" : "a"))]],
    ["upper-case", ["--onion3", ONION.replace(".onion", "").toUpperCase().concat(".onion")]],
    ["1 to 65535", ["--tcp", "0"]],
    ["an IPv4 address", ["--ip", "::1"]],
    ["KEY=VALUE", ["--pair", "client"]],
    ["given twice", ["--tcp", "1", "--pair", "tcp=2"]],
    ["comes from the node's key", ["--pair", "id=v5"]],
    ["hexadecimal digits", ["--eth", "xyz"]],
    ["whole number", ["--seq", "-1"]],
    ["301 bytes, more than the 300", ["--pair", `x=${"x".repeat(178)}`]],
    ["unknown option", ["--lenient"]],
  ])("says %s, with exit code 2", (reason, words) => {
    const { file, words: key } = exampleKey();
    const { code, out, errors } = enr(["make", ...key, ...words]);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(errors).toContain(reason);
    expect(existsSync(`${file}.enr`)).toBe(false);
  });

  test("takes a record of exactly 300 bytes", () => {
    const { words } = exampleKey();
    const made = enr(["make", ...words, "--pair", `x=${"x".repeat(177)}`]);
    expect(parseRecord(made.out.trim()).bytes.length).toBe(300);
  });

  test("refuses a key that others can read, with exit code 3", () => {
    const { file, words } = exampleKey();
    chmodSync(file, 0o644);
    const made = enr(["make", ...words]);
    expect(made).toMatchObject({ code: 3, out: "" });
    expect(made.errors).toContain(`chmod 600 ${file}`);
  });
});

describe("peers enr set", () => {
  test("changes the kept record, and says where nothing changes", () => {
    const { words } = exampleKey();
    enr(["make", ...words, "--udp", "30303", "--ip", "127.0.0.1"]);
    const next = enr(["set", ...words, "--onion3", ONION, "--tcp", "30303", "--remove", "ip"]);
    const record = parseRecord(next.out.trim());
    expect(record.sequence).toBe(2n);
    expect([...record.pairs.keys()]).toEqual(["id", "onion3", "secp256k1", "tcp", "udp"]);
    const same = enr(["set", ...words, "--tcp", "30303", "--remove", "ip"]);
    expect(same).toEqual({
      code: 0,
      out: next.out,
      errors: "Nothing changes; the record stays as it is, number 2.\n",
    });
    expect(enr(["show", ...words]).out).toContain("sequence    2\n");
  });

  test("of a given record goes above what is kept, so that others take it", () => {
    const { words } = exampleKey();
    enr(["make", ...words, "--tcp", "1", "--seq", "6"]);
    const next = enr(["set", EXAMPLE, ...words, "--tcp", "2", "--json"]);
    expect(parsed(next.out)).toMatchObject({ sequence: "7", clearnet: ["127.0.0.1:2"] });
    const piped = enr(["set", "-", ...words, "--tcp", "3"], `${EXAMPLE}\n`);
    expect(parseRecord(piped.out.trim()).sequence).toBe(8n);
    const low = enr(["set", EXAMPLE, ...words, "--tcp", "4", "--seq", "3"]);
    expect(low).toMatchObject({ code: 2, out: "" });
    expect(low.errors).toContain("--seq 3 is not above 8");
  });

  test.each<[string, string[], number]>([
    ["Nothing is to be set", [EXAMPLE], 2],
    ["can't be set", [EXAMPLE, "--remove", "secp256k1"], 2],
    ["takes out what is to be set", [EXAMPLE, "--remove", "tcp", "--tcp", "1"], 2],
    ["has version byte", [LOOSE, "--tcp", "1"], 2],
    ["No record of the key", ["--tcp", "1"], 2],
    ["base64url", [EXAMPLE.slice(0, -1), "--tcp", "1"], 2],
  ])("says %s", (reason, words, expected) => {
    const { words: key } = exampleKey();
    const { code, out, errors } = enr(["set", ...key, ...words]);
    expect({ code, out }).toEqual({ code: expected, out: "" });
    expect(errors).toContain(reason);
  });

  test("needs the record's own key", () => {
    const dataDir = directory();
    const missing = enr(["set", EXAMPLE, "--data-dir", dataDir, "--tcp", "1"]);
    expect(missing).toMatchObject({ code: 3, out: "" });
    enr(["make", "--data-dir", dataDir]);
    const other = enr(["set", EXAMPLE, "--data-dir", dataDir, "--tcp", "1"]);
    expect(other).toMatchObject({ code: 2, out: "" });
    expect(other.errors).toContain(NODE_ID);
  });
});

describe("peers enr show", () => {
  test("tells node id and every pair of EIP-778's example", () => {
    const { code, out, errors } = enr(["show", EXAMPLE]);
    expect({ code, errors }).toEqual({ code: 0, errors: "" });
    expect(out).toBe(`node id     ${NODE_ID}
sequence    1
size        134 of 300 bytes
pairs       4
    id         v4
    ip         127.0.0.1
    secp256k1  0x03${PUBLIC_KEY.slice(0, 64)}
    udp        30303
`);
    expect(parsed(enr(["show", "-", "--json"], `${EXAMPLE}\n`).out)).toEqual({
      schema: "anonctl.peers.enr.v1",
      enr: EXAMPLE,
      node_id: NODE_ID,
      public_key: PUBLIC_KEY,
      sequence: "1",
      bytes: 134,
      pairs: [
        { key: "id", value: "v4", rlp: "827634" },
        { key: "ip", value: "127.0.0.1", rlp: "847f000001" },
        {
          key: "secp256k1",
          value: `0x03${PUBLIC_KEY.slice(0, 64)}`,
          rlp: `a103${PUBLIC_KEY.slice(0, 64)}`,
        },
        { key: "udp", value: "30303", rlp: "82765f" },
      ],
      onion: null,
      clearnet: [],
      enodes: [],
      problem: null,
    });
  });

  test("tells an enode URL", () => {
    expect(enr(["show", URL]).out).toContain(`node id     ${NODE_ID}\n`);
    expect(parsed(enr(["show", URL, "--json"]).out)).toEqual({
      schema: "anonctl.peers.enode.v1",
      enode: URL,
      node_id: NODE_ID,
      public_key: PUBLIC_KEY,
      zone: "public",
      address: "127.0.0.1:30303",
      discovery_port: 30_303,
    });
  });

  test("names no address of a record whose onion name is wrong, but when lenient", () => {
    const strict = enr(["show", LOOSE]);
    expect(strict.code).toBe(0);
    expect(strict.out).toMatch(/\nproblem +The node record's onion3 value is refused: /);
    expect(strict.out).not.toContain("enode://");
    expect(parsed(enr(["show", LOOSE, "--json"]).out)).toMatchObject({
      ...{ onion: null, clearnet: [], enodes: [] },
      problem: { code: "onion3-invalid" },
    });
    expect(parsed(enr(["show", LOOSE, "--json", "--lenient"]).out)).toMatchObject({
      onion: "abcdefghijklmnopqrstuvwxyz234567abcdefghijklmnopqrstuv22.onion:30303",
      problem: null,
    });
  });
});

describe("peers enr verify", () => {
  test("exit code 0 for a good record", () => {
    const { code, out, errors } = enr(["verify", EXAMPLE]);
    expect({ code, errors }).toEqual({ code: 0, errors: "" });
    expect(out).toBe(`The record of the node ${NODE_ID} is good.\n`);
    expect(parsed(enr(["verify", EXAMPLE, "--json"]).out)).toEqual({
      schema: "anonctl.peers.enr-verdict.v1",
      valid: true,
      node_id: NODE_ID,
      problem: null,
    });
    expect(enr(["verify", LOOSE, "--lenient"]).code).toBe(0);
  });

  test.each([
    ["record-signature", "signed by its own key", EXAMPLE.replace("QHCY", "QHCZ")],
    ["record-too-large", "359 bytes, more than the 300", `${EXAMPLE}${"A".repeat(300)}`],
    ["record-text", "base64url", `${EXAMPLE}==`],
    ["record-text", "enr:", "enode://x"],
    ["record-malformed", "can't be read", EXAMPLE.slice(0, -3)],
    ["onion3-invalid", "version byte", LOOSE],
  ])("exit code 1 with the reason: %s", (code, reason, text) => {
    const run = enr(["verify", text]);
    expect({ code: run.code, out: run.out }).toEqual({ code: 1, out: "" });
    expect(run.errors).toContain(reason);
    const json = enr(["verify", text, "--json"]);
    expect(json.code).toBe(1);
    expect(parsed(json.out)).toMatchObject({ valid: false, problem: { code } });
  });

  test("exit code 2 where no record is given, or far too much", () => {
    expect(enr(["verify"]).code).toBe(2);
    expect(enr(["verify", "-"], "x".repeat(10_000))).toMatchObject({ code: 2, out: "" });
    expect(enr(["verify", "-"], "")).toMatchObject({ code: 1, out: "" });
  });
});
