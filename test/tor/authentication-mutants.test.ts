import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHmac } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { ControlAuthentication } from "../../lib/tor/authentication.ts";
import { ControlReader, type ControlReply } from "../../lib/tor/control-message.ts";

/*
 * Each mutant is the shipped file with one check of a hash taken out or turned round. The examiner
 * plays tor, honest and not, and must find something to say about every mutant, and nothing about
 * the file as it is.
 */

type Authentication = Pick<ControlAuthentication, "start" | "receive" | "cookie">;
type Make = (options: { random: SeededRandom }) => Authentication;

const SERVER_KEY = "Tor safe cookie authentication server-to-controller hash";
const CLIENT_KEY = "Tor safe cookie authentication controller-to-server hash";
const COOKIE = Uint8Array.from({ length: 32 }, (_, index) => index + 1);
const SERVER_NONCE = Uint8Array.from({ length: 32 }, (_, index) => 255 - index);

type Impostor = (nonce: Uint8Array) => Uint8Array;

const hash = (key: string, cookie: Uint8Array, nonce: Uint8Array): Uint8Array =>
  createHmac("sha256", key).update(cookie).update(nonce).update(SERVER_NONCE).digest();

const honest: Impostor = (nonce) => hash(SERVER_KEY, COOKIE, nonce);

/** Those who do not know the cookie, or reuse what they heard. */
const impostors: Readonly<Record<string, Impostor>> = {
  "sends zeros": () => new Uint8Array(32),
  "guesses the cookie": (nonce) => hash(SERVER_KEY, new Uint8Array(32), nonce),
  "reflects the client's hash": (nonce) => hash(CLIENT_KEY, COOKIE, nonce),
  "replays an old answer": () => hash(SERVER_KEY, COOKIE, new Uint8Array(32)),
  "has the first half right": (nonce) => {
    const half = Uint8Array.from(honest(nonce));
    return half.fill(0, 16);
  },
  "has the second half right": (nonce) => {
    const half = Uint8Array.from(honest(nonce));
    return half.fill(0, 0, 16);
  },
};

function reply(...lines: string[]): ControlReply {
  const reader = new ControlReader();
  reader.push(new TextEncoder().encode(lines.map((line) => `${line}\r\n`).join("")));
  const message = reader.next();
  if (message?.kind !== "reply") throw new Error("That is no reply.");
  return message;
}

/** What the client sends after the challenge, or the code of what it throws. */
function afterChallenge(make: Make, answer: Impostor): { sent: string; nonce: Uint8Array } {
  const client = make({ random: new SeededRandom(7) });
  client.start();
  const auth = '250-AUTH METHODS=COOKIE,SAFECOOKIE COOKIEFILE="/c"';
  client.receive(reply("250-PROTOCOLINFO 1", auth, '250-VERSION Tor="1"', "250 OK"));
  const step = client.cookie(COOKIE);
  const command = step.kind === "send" ? Buffer.from(step.command).toString("latin1") : "";
  const nonce = Uint8Array.from(Buffer.from(command.trim().split(" ")[2] ?? "", "hex"));
  const [serverHash, serverNonce] = [answer(nonce), SERVER_NONCE].map((bytes) =>
    Buffer.from(bytes).toString("hex").toUpperCase(),
  );
  try {
    const next = client.receive(
      reply(`250 AUTHCHALLENGE SERVERHASH=${serverHash} SERVERNONCE=${serverNonce}`),
    );
    return {
      sent: next.kind === "send" ? Buffer.from(next.command).toString("latin1") : "",
      nonce,
    };
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "crash";
    return { sent: code, nonce };
  }
}

/** What is wrong with a client; empty where it is right. */
function findings(make: Make): string[] {
  const found: string[] = [];
  const { sent, nonce } = afterChallenge(make, honest);
  const expected = Buffer.from(hash(CLIENT_KEY, COOKIE, nonce)).toString("hex");
  if (nonce.length !== 32 || nonce.every((byte) => byte === 0)) found.push("its nonce is no nonce");
  if (sent !== `AUTHENTICATE ${expected}\r\n`) found.push("tor would refuse it");
  for (const [name, impostor] of Object.entries(impostors)) {
    const outcome = afterChallenge(make, impostor);
    if (outcome.sent !== "impostor") found.push(`it goes on with one who ${name}`);
  }
  return found;
}

const mutations: readonly (readonly [string, string, string])[] = [
  ["skips the check of the server's hash", "!timingSafeEqual(expected, serverHash)", "false"],
  [
    "turns the check round",
    "!timingSafeEqual(expected, serverHash)",
    "timingSafeEqual(expected, serverHash)",
  ],
  [
    "compares only lengths",
    "!timingSafeEqual(expected, serverHash)",
    "expected.length !== serverHash.length",
  ],
  [
    "compares only the beginning",
    "!timingSafeEqual(expected, serverHash)",
    "!timingSafeEqual(expected.subarray(0, 16), serverHash.subarray(0, 16))",
  ],
  [
    "compares only the end",
    "!timingSafeEqual(expected, serverHash)",
    "!timingSafeEqual(expected.subarray(16), serverHash.subarray(16))",
  ],
  [
    "takes its own key for the server's",
    "this.#hash(SERVER_HASH_KEY, serverNonce)",
    "this.#hash(CLIENT_HASH_KEY, serverNonce)",
  ],
  [
    "answers with the server's key",
    "hex(this.#hash(CLIENT_HASH_KEY, serverNonce))",
    "hex(this.#hash(SERVER_HASH_KEY, serverNonce))",
  ],
  ["leaves its nonce out", ".update(this.#nonce)", ""],
  ["leaves the cookie out", ".update(this.#cookie)", ""],
  ["leaves the server's nonce out", ".update(serverNonce)", ""],
  [
    "takes zeros for a nonce",
    "this.#options.random.bytes(NONCE_BYTES)",
    "new Uint8Array(NONCE_BYTES)",
  ],
];

const source = new URL("../../lib/tor/authentication.ts", import.meta.url);
let folder = "";

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "anonctl-mutants-"));
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

async function mutant(index: number, from: string, to: string): Promise<Make> {
  const text = readFileSync(source, "utf8");
  expect(text).toContain(from);
  const lib = new URL("../../lib/", import.meta.url).pathname;
  const whole = text
    .replaceAll(from, to)
    .replaceAll('"./', `"${lib}tor/`)
    .replaceAll('"../', `"${lib}`);
  const file = join(folder, `authentication-${index}.ts`);
  writeFileSync(file, whole);
  const module: { ControlAuthentication: typeof ControlAuthentication } = await import(file);
  return (options) => new module.ControlAuthentication(options);
}

describe("the examiner", () => {
  test("has nothing to say about the shipped client", () => {
    expect(findings((options) => new ControlAuthentication(options))).toEqual([]);
  });

  test("has nothing to say about a copy of it", async () => {
    expect(findings(await mutant(99, "export class", "export class"))).toEqual([]);
  });

  test.each(mutations.map((one, index) => [one[0], index] as const))(
    "catches one that %s",
    async (_, index) => {
      const [, from, to] = mutations[index] ?? ["", "", ""];
      const found = findings(await mutant(index, from, to));
      expect(found.length).toBeGreaterThan(0);
      expect(found).not.toContain("it goes on with one who crash");
    },
  );

  test("says of the one that skips the check that it goes on with everybody", async () => {
    const [, from = "", to = ""] = mutations[0] ?? [];
    const found = findings(await mutant(100, from, to));
    expect(found).toHaveLength(Object.keys(impostors).length);
  });
});
