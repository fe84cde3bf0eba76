import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { inspect } from "node:util";
import fc from "fast-check";
import { parseAddressOf } from "../../lib/address/address.ts";
import { I2pError } from "../../lib/i2p/error.ts";
import { PrivateDestination } from "../../lib/i2p/private-destination.ts";
import { destGenerate, SamSession } from "../../lib/i2p/sam-client.ts";
import { SamConversation } from "../../lib/i2p/sam-conversation.ts";
import { SamKeeper } from "../../lib/i2p/sam-keeper.ts";
import { parseSamReply } from "../../lib/i2p/sam-message.ts";
import {
  destGenerate as askForDestination,
  type SamQuestion,
  sessionCreate,
  streamConnect,
} from "../../lib/i2p/sam-question.ts";
import { realClock } from "../../lib/runtime/clock.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { mutated } from "../levin/mutation.ts";
import { madeKeys, recordedReply } from "./recording.ts";
import { ScriptedRouter } from "./scripted-router.ts";

/*
 * Nothing that a program prints, logs, throws or puts into JSON holds any part of a private key.
 */

const RUNS = 10_000;
const created = recordedReply(/^SESSION CREATE STYLE=STREAM ID=srv DESTINATION=9L5o/);
const generated = recordedReply(/^DEST GENERATE SIGNATURE_TYPE=7/);
const own = PrivateDestination.parse(madeKeys.private);
const PUBLIC_BYTES = 391;
const secret = Buffer.from(
  madeKeys.private.replaceAll("-", "+").replaceAll("~", "/"),
  "base64",
).subarray(PUBLIC_BYTES);

/** As much of a key as may not appear: 12 bytes would leave nothing to guess elsewhere. */
const PIECE_CHARACTERS = 16;
const pieces = new Set<string>();
const privateText = madeKeys.private.slice(Math.ceil((PUBLIC_BYTES * 4) / 3));
for (let at = 0; at + PIECE_CHARACTERS <= privateText.length - 2; at++) {
  pieces.add(privateText.slice(at, at + PIECE_CHARACTERS));
}

/** Eight bytes of the key at a time, in hexadecimal and as numbers. */
const forms: readonly string[] = Array.from({ length: secret.length / 8 }, (_, index) =>
  secret.subarray(8 * index, 8 * index + 8),
).flatMap((part) => [part.toString("hex"), part.join(",")]);

/** Fails where a text holds a piece of the key in base64, in hexadecimal or as numbers. */
function expectNoSecret(text: string): void {
  for (let at = 0; at + PIECE_CHARACTERS <= text.length; at++) {
    const piece = text.slice(at, at + PIECE_CHARACTERS);
    if (pieces.has(piece)) throw new Error(`A key is shown: ${text.slice(0, 300)}`);
  }
  const dense = text.replace(/\s+/g, "");
  for (const form of forms) {
    if (dense.includes(form)) throw new Error(`A key is shown: ${text.slice(0, 300)}`);
  }
}

/** Every way in which a value gets into a log. */
function shown(value: unknown): string {
  const parts = [
    String(value),
    `${JSON.stringify(value)}`,
    inspect(value, { depth: 20, showHidden: true, maxStringLength: null, maxArrayLength: null }),
    Bun.inspect(value, { depth: 20 }),
  ];
  if (value instanceof Error) {
    parts.push(value.message, value.stack ?? "", shown(Object.fromEntries(Object.entries(value))));
    if (value.cause !== undefined) parts.push(shown(value.cause));
  }
  return parts.join("\n");
}

describe("the check itself", () => {
  test.each([
    ["the key", madeKeys.private],
    ["a part of it", `x ${privateText.slice(100, 120)} y`],
    ["its bytes in hexadecimal", secret.toString("hex")],
    ["its bytes as an array", inspect(new Uint8Array(secret), { maxArrayLength: null })],
    ["its bytes in JSON", JSON.stringify([...secret])],
    ["an error's cause", shown(new Error("a", { cause: new Error(madeKeys.private) }))],
  ])("finds %s", (_name, text) => {
    expect(() => expectNoSecret(text)).toThrow("A key is shown");
  });

  test("lets the public part and the name pass", () => {
    expectNoSecret(`${madeKeys.public} ${madeKeys.name}`);
  });
});

describe("a key is not shown by", () => {
  const logged: string[] = [];
  const real = { log: console.log, error: console.error, warn: console.warn };

  beforeAll(() => {
    const keep = (...values: unknown[]): void => {
      logged.push(values.map(shown).join(" "));
    };
    console.log = keep;
    console.error = keep;
    console.warn = keep;
  });

  afterAll(() => {
    Object.assign(console, real);
  });

  test("the object that holds it, alone or within others", () => {
    expect(String(own)).toBe(`[private key of ${madeKeys.name}]`);
    for (const value of [own, [own], { key: own }, new Map([["key", own]]), new Error(`${own}`)]) {
      expect(shown(value)).toContain(madeKeys.name);
      expectNoSecret(shown(value));
    }
    expectNoSecret(shown(structuredClone({ ...own })));
    expect(own.reveal()).toBe(madeKeys.private);
  });

  test("questions, conversations and replies", () => {
    const question = sessionCreate({ id: "x", destination: own, options: {} });
    const conversation = new SamConversation();
    conversation.ask(question);
    const reply = parseSamReply(created);
    for (const value of [question, conversation, reply, { reply }]) expectNoSecret(shown(value));
    expect(shown(reply)).toContain("SESSION STATUS OK");
  });

  test("an option whose value can't be sent", () => {
    const options = { "i2cp.leaseSetPrivKey": `${privateText} x` };
    expectThrown(() => sessionCreate({ id: "x", destination: own, options }));
  });

  test("a key that can't be read", () => {
    for (const text of [
      madeKeys.private.slice(0, -4),
      `${madeKeys.private}AAAA`,
      `${madeKeys.private.slice(0, -6)}A${madeKeys.private.slice(-5)}`,
      madeKeys.private.replace("=", "%"),
      madeKeys.private.slice(400),
      `${madeKeys.private} ${madeKeys.private}`,
    ]) {
      expectThrown(() => PrivateDestination.parse(text));
    }
  });

  test("any answer that is broken in any way, to any question", () => {
    const questions: readonly SamQuestion<unknown>[] = [
      sessionCreate({ id: "x", destination: own, options: {} }),
      sessionCreate({ id: "x", destination: "transient", options: {} }),
      askForDestination(),
      streamConnect("x", parseAddressOf(`${madeKeys.name}:1`, "i2p")),
    ];
    const lines = [created, generated].map((line) => new TextEncoder().encode(`${line}\n`));
    let thrown = 0;
    const answer = (question: SamQuestion<unknown>, bytes: Uint8Array): void => {
      const conversation = new SamConversation();
      conversation.ask(question);
      try {
        const reply = conversation.receive(bytes);
        if (reply !== undefined) question.read(reply);
      } catch (error) {
        if (!(error instanceof I2pError)) throw error;
        thrown++;
        const cause = error.cause instanceof Error ? error.cause.message : "";
        expectNoSecret(`${error.message} ${cause}`);
      }
    };
    // Spaces, quotes and equal signs in a key's middle make keys, values and messages of it.
    const blown = fc
      .tuple(fc.constantFrom(...lines), fc.array(fc.tuple(fc.nat(), fc.constantFrom(...' "=\\A'))))
      .map(([line, edits]) => {
        const copy = line.slice();
        for (const [at, character] of edits) copy[at % copy.length] = character.charCodeAt(0);
        return copy;
      });
    const told = fc
      .nat(privateText.length)
      .map((at) => `SESSION STATUS RESULT=I2P_ERROR MESSAGE="${privateText.slice(at)}"\n`)
      .map((line) => new TextEncoder().encode(line));
    fc.assert(
      fc.property(fc.constantFrom(...questions), fc.oneof(mutated(lines), blown, told), answer),
      { numRuns: RUNS },
    );
    expect(thrown).toBeGreaterThan(RUNS / 10);
  });

  test("a session, a keeper, their states, errors, and what they print", async () => {
    let creations = 0;
    const router = await ScriptedRouter.start([
      [/^DEST/, generated],
      [
        /^SESSION/,
        (socket) => {
          creations++;
          if (creations === 1) socket.end(`${created.slice(0, -30)}\n`);
          else socket.write(`${created}\n`);
        },
      ],
      [/^STREAM FORWARD/, recordedReply(/^STREAM FORWARD ID=srv PORT=21900 HOST/)],
      [/^STREAM CONNECT/, recordedReply(/^STREAM CONNECT .*notbase64/)],
    ]);
    const base = { place: router.place, clock: realClock, random: new SeededRandom(1) };
    const texts: string[] = [];
    texts.push(shown(await destGenerate(base)));
    const make = (): Promise<SamSession> =>
      SamSession.create({
        ...{ ...base, destination: own, style: "STREAM" },
        onProgress: (progress) => texts.push(shown(progress)),
      });
    texts.push(shown(await make().catch((error: unknown) => error)));
    const session = await make();
    const failed = await session.streamConnect(own.destination).catch((error: unknown) => error);
    texts.push(shown(session), shown(failed));
    session.close();
    texts.push(shown(await session.closed));
    const keeper = SamKeeper.start({
      ...{ ...base, destination: "transient", forward: { port: 1 } },
      onState: (state) => texts.push(shown(state)),
    });
    await keeper.ready;
    texts.push(shown(keeper));
    await router.down();
    while (keeper.state.kind !== "waiting") await Bun.sleep(1);
    await keeper.close();
    expect(texts.length).toBeGreaterThan(9);
    expect(texts.join("\n")).toContain("malformed-reply");
    for (const text of [...texts, ...logged]) expectNoSecret(text);
  });

  function expectThrown(act: () => unknown): void {
    let thrown: unknown;
    try {
      act();
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(I2pError);
    expectNoSecret(shown(thrown));
  }
});
