import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { parseAddressOf } from "../../lib/address/address.ts";
import { Destination } from "../../lib/i2p/destination.ts";
import { I2pError } from "../../lib/i2p/error.ts";
import { PrivateDestination } from "../../lib/i2p/private-destination.ts";
import { SamConversation } from "../../lib/i2p/sam-conversation.ts";
import {
  destGenerate,
  helloVersion,
  namingLookup,
  type SamQuestion,
  sessionCreate,
  streamConnect,
  streamForward,
} from "../../lib/i2p/sam-question.ts";
import { mutated, split } from "../levin/mutation.ts";
import { exchanges, madeKeys, recorded, recordedReply, valueIn } from "./recording.ts";

const RUNS = 10_000;
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const service = parseAddressOf(`${madeKeys.name}:1`, "i2p");
const own = PrivateDestination.parse(madeKeys.private);

/** Asks, feeds the router's bytes, and tells how it ended: the answer, or the code of the error. */
function outcome<Answer>(
  question: SamQuestion<Answer>,
  chunks: readonly Uint8Array[],
): { answer?: Answer; code?: string; where?: string; rest: string } {
  const conversation = new SamConversation();
  conversation.ask(question);
  try {
    for (const [index, chunk] of chunks.entries()) {
      const reply = conversation.receive(chunk);
      if (reply === undefined) continue;
      const answer = question.read(reply);
      const after = [conversation.takeRest(), ...chunks.slice(index + 1)];
      return { answer, rest: after.map((part) => Buffer.from(part).toString()).join("") };
    }
    return { rest: "" };
  } catch (error) {
    if (!(error instanceof I2pError)) throw error;
    return { code: error.code, where: error.where, rest: "" };
  }
}

const told = <Answer>(question: SamQuestion<Answer>, line: string) =>
  outcome(question, [bytes(`${line}\n`)]);

describe("what we send is what the recorded client sent", () => {
  const options = {
    "inbound.length": 0,
    "outbound.length": 0,
    "inbound.quantity": 1,
    "outbound.quantity": 1,
    "i2cp.leaseSetEncType": "4,0",
  };
  const sent: readonly (readonly [SamQuestion<unknown>, RegExp])[] = [
    [helloVersion(), /^HELLO VERSION MIN=3.1 MAX=3.1$/],
    [destGenerate(), /^DEST GENERATE SIGNATURE_TYPE=7$/],
    [namingLookup("ME"), /^NAMING LOOKUP NAME=ME$/],
    [namingLookup(madeKeys.name), /^NAMING LOOKUP NAME=h3i/],
    [streamConnect("cli", service), /^STREAM CONNECT ID=cli DESTINATION=h3i/],
    [streamConnect("cli", own.destination), /^STREAM CONNECT ID=cli DESTINATION=9L5o/],
    [streamForward("srv", 21_900, false), /^STREAM FORWARD ID=srv PORT=21900 SILENT=false$/],
    [
      sessionCreate({ id: "cli", destination: "transient", options }),
      /^SESSION CREATE .*TRANSIENT SIGN/,
    ],
  ];
  test.each(sent)("%s", (question, pattern) => {
    const command = Buffer.from(new SamConversation().ask(question)).toString();
    // The recorded client put the signature type before the options too, and no line differs.
    expect(command).toBe(`${recorded(pattern).command}\n`);
  });
});

describe("what the router answered is understood", () => {
  test("HELLO", () => {
    expect(told(helloVersion(), recordedReply(/^HELLO VERSION MIN=3.1 MAX=3.1/)).answer).toBe(
      "3.1",
    );
    const refused = told(helloVersion(), recordedReply(/^HELLO VERSION MIN=3.2/));
    expect(refused).toMatchObject({ code: "version-unsupported", where: "local" });
  });

  test("DEST GENERATE", () => {
    const { answer } = told(destGenerate(), recordedReply(/^DEST GENERATE SIGNATURE_TYPE=7/));
    expect(answer?.destination.name).toBe(madeKeys.name);
    expect(answer?.reveal()).toBe(madeKeys.private);
  });

  test("SESSION CREATE with keys of ours, and with transient ones", () => {
    const ours = sessionCreate({ id: "srv", destination: own, options: {} });
    const reply = recordedReply(/^SESSION CREATE STYLE=STREAM ID=srv DESTINATION=9L5o/);
    expect(told(ours, reply).answer?.reveal()).toBe(madeKeys.private);
    const transient = sessionCreate({ id: "cli", destination: "transient", options: {} });
    const other = recordedReply(/^SESSION CREATE STYLE=STREAM ID=cli/);
    expect(told(transient, other).answer?.reveal()).toBe(valueIn(other, "DESTINATION"));
    // A session of somebody else's keys is not the one that was asked for.
    expect(told(ours, other).code).toBe("unexpected-reply");
  });

  const refusals: readonly (readonly [string, SamQuestion<unknown>, RegExp, string, string])[] = [
    ["a name in use", session(own), /ID=srv DESTINATION=TRANSIENT$/, "session-name-taken", "local"],
    ["a bad key", session(own), /DESTINATION=AAAA$/, "key-refused", "config"],
    ["no key", session("transient"), /ID=bad3$/, "key-refused", "config"],
    ["another style", session(own), /STYLE=FOO/, "router-refused", "local"],
    ["an unknown peer", connect(), /^STREAM CONNECT .*rtab6/, "peer-unreachable", "peer"],
    ["a short name", connect(), /^STREAM CONNECT .*=abc\.b32/, "peer-unreachable", "peer"],
    ["no base64", connect(), /^STREAM CONNECT .*notbase64/, "key-refused", "config"],
    ["a session that is gone", connect(), /^STREAM CONNECT ID=zzz/, "session-gone", "local"],
    ["a second forward", forward(), /PORT=21900$/, "already-forwarding", "local"],
    ["an unknown name", namingLookup("nosuch.i2p"), /nosuch/, "name-unknown", "local"],
    ["an unknown b32", namingLookup(madeKeys.name), /rtab6.*i2p$/, "peer-unreachable", "peer"],
  ];
  test.each(refusals)("%s", (_name, question, command, code, where) => {
    expect(told(question, recordedReply(command))).toMatchObject({ code, where });
  });

  function session(destination: PrivateDestination | "transient"): SamQuestion<unknown> {
    return sessionCreate({ id: "x", destination, options: {} });
  }
  function connect(): SamQuestion<unknown> {
    return streamConnect("x", service);
  }
  function forward(): SamQuestion<unknown> {
    return streamForward("x", 1, true);
  }

  test.each([
    ["SESSION STATUS RESULT=DUPLICATED_DEST", "destination-in-use"],
    ["SESSION STATUS RESULT=OK", "malformed-reply"],
    ["SESSION STATUS RESULT=OK DESTINATION=AAAA", "malformed-reply"],
    [`SESSION STATUS RESULT=OK DESTINATION=${madeKeys.public}`, "malformed-reply"],
    ["SESSION STATUS", "unexpected-reply"],
    ["STREAM STATUS RESULT=OK", "unexpected-reply"],
    ["SESSION STATUS RESULT=lower-case", "router-refused"],
  ])("a session is refused by %p", (line, code) => {
    const question = sessionCreate({ id: "x", destination: "transient", options: {} });
    expect(told(question, line)).toMatchObject({ code, where: "local" });
  });

  test.each([
    ["STREAM STATUS RESULT=TIMEOUT", "peer-deadline"],
    ["STREAM STATUS RESULT=PEER_NOT_FOUND", "peer-unreachable"],
    ['STREAM STATUS RESULT=CANT_REACH_PEER MESSAGE="x"', "peer-unreachable"],
    ["STREAM STATUS RESULT=I2P_ERROR", "router-refused"],
    ["STREAM STATUS RESULT=ALREADY_ACCEPTING", "already-forwarding"],
    ["SESSION STATUS RESULT=OK", "unexpected-reply"],
  ])("a stream is refused by %p", (line, code) => {
    expect(told(streamConnect("x", service), line).code).toBe(code);
  });

  test("keys that do not fit each other are not taken", () => {
    const other = valueIn(recordedReply(/^DEST GENERATE SIGNATURE_TYPE=Ed/), "PUB");
    const line = `DEST REPLY PUB=${other} PRIV=${madeKeys.private}`;
    expect(told(destGenerate(), line).code).toBe("malformed-reply");
  });
});

describe("a conversation", () => {
  test("asks one thing at a time", () => {
    const conversation = new SamConversation();
    expect(conversation.awaits).toBeUndefined();
    conversation.ask(namingLookup("ME"));
    expect(conversation.awaits).toBe("the destination of ME");
    expect(() => conversation.ask(destGenerate())).toThrow("busy with the destination of ME");
    conversation.receive(bytes("NAMING REPLY RESULT=INVALID_KEY NAME=ME\n"));
    expect(conversation.awaits).toBeUndefined();
    conversation.ask(destGenerate());
  });

  test("takes nothing that it did not ask for", () => {
    const conversation = new SamConversation();
    expect(() => conversation.receive(bytes("PING\n"))).toThrow("without being asked");
    conversation.ask(namingLookup("ME"));
    const twice = bytes("NAMING REPLY RESULT=INVALID_KEY\nNAMING REPLY RESULT=INVALID_KEY\n");
    expect(() => conversation.receive(twice)).toThrow("more than its answer");
  });

  test("gives the first bytes of a stream once, and is over then", () => {
    const conversation = new SamConversation();
    conversation.ask(streamConnect("cli", service));
    const chunk = bytes("STREAM STATUS RESULT=OK\nfirst\nbytes");
    conversation.receive(chunk);
    chunk.fill(0);
    expect(Buffer.from(conversation.takeRest()).toString()).toBe("first\nbytes");
    expect(conversation.takeRest()).toHaveLength(0);
    expect(() => conversation.ask(destGenerate())).toThrow("busy with a stream");
  });

  const questions: readonly SamQuestion<unknown>[] = [
    helloVersion(),
    destGenerate(),
    namingLookup("ME"),
    streamConnect("x", service),
    streamForward("x", 1, true),
    sessionCreate({ id: "x", destination: own, options: {} }),
    sessionCreate({ id: "x", destination: "transient", options: {} }),
  ];
  const lines = exchanges.flatMap(({ reply }) => (reply === undefined ? [] : [`${reply}\n`]));

  test("ends the same way however the answer is split", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...questions),
        fc.constantFrom(...lines),
        fc.array(fc.nat(3_000), { maxLength: 8 }),
        (question, line, cuts) => {
          const whole = outcome(question, [bytes(line)]);
          const parts = outcome(question, split(bytes(line), cuts));
          expect(JSON.stringify(parts)).toBe(JSON.stringify(whole));
        },
      ),
      { numRuns: RUNS },
    );
  });

  test("with random and mutated answers ends in an answer, an error of ours, or waits", () => {
    const near = mutated(lines.map(bytes));
    fc.assert(
      fc.property(
        fc.constantFrom(...questions),
        fc.oneof(near, fc.uint8Array({ maxLength: 300 })),
        (question, answer) => {
          const { code } = outcome(question, [answer]);
          expect(code).not.toBe("base64-invalid");
          expect(code).not.toBe("destination-invalid");
          expect(code).not.toBe("private-key-invalid");
        },
      ),
      { numRuns: RUNS },
    );
  });

  test("a destination by its keys or by its name is asked for by that", () => {
    const [text] = [String(Destination.parse(madeKeys.public))];
    const command = (target: Parameters<typeof streamConnect>[1]): string =>
      Buffer.from(streamConnect("s", target).command).toString();
    expect(command(own.destination)).toContain(` DESTINATION=${text} `);
    expect(command(service)).toContain(` DESTINATION=${madeKeys.name} `);
  });
});
