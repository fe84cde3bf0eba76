import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { sealEcies } from "../../lib/ethereum/ecies.ts";
import {
  encodeDisconnect,
  encodeHello,
  type Hello,
  P2P_VERSION,
} from "../../lib/ethereum/hello.ts";
import { publicKeyOf, recoverKey, signRecoverably } from "../../lib/ethereum/node-key.ts";
import { encodeRlp, rlpInteger } from "../../lib/ethereum/rlp.ts";
import { RlpxInitiator } from "../../lib/ethereum/rlpx.ts";
import { HELLO_BYTES_MAX } from "../../lib/ethereum/rlpx-link.ts";
import { openAuth, sealHandshake } from "../../lib/ethereum/rlpx-packet.ts";
import { RlpxResponder } from "../../lib/ethereum/rlpx-responder.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { mutated, RUNS, split } from "../levin/mutation.ts";
import eip8 from "../vectors/ethereum/eip8.json";
import { codeOf, hex } from "./arbitrary-rlp.ts";
import { RlpxCaller } from "./rlpx-caller.ts";
import { feed, INITIATOR_KEY, RESPONDER_KEY, shakeHands } from "./session-pair.ts";

/** Every run is a product on the curve: half a minute where other work goes on too. */
const MUTATED_AUTHS_MS_MAX = 120_000;
const ETH = [{ name: "eth", version: 68 }];

function pair(seed = 1): { initiator: RlpxInitiator; responder: RlpxResponder } {
  const random = new SeededRandom(seed);
  const remotePublicKey = publicKeyOf(RESPONDER_KEY);
  return {
    initiator: new RlpxInitiator({ remotePublicKey, privateKey: INITIATOR_KEY, random }),
    responder: new RlpxResponder({ privateKey: RESPONDER_KEY, random }),
  };
}

describe("an RLPx responder", () => {
  test("and our initiator greet each other, each as who it is", () => {
    const { initiator, responder } = shakeHands(1, { initiator: ETH, responder: [] });
    const said = { protocolVersion: P2P_VERSION, clientId: "", listenPort: 0 };
    expect(initiator.hello).toEqual({
      ...said,
      capabilities: [],
      publicKey: publicKeyOf(RESPONDER_KEY),
    });
    expect(responder.hello).toEqual({
      ...said,
      capabilities: ETH,
      publicKey: publicKeyOf(INITIATOR_KEY),
    });
    expect(responder.link.remotePublicKey).toEqual(publicKeyOf(INITIATOR_KEY));
    expect(responder.link.remoteVersion).toBe(P2P_VERSION);
  });

  test("the bytes may be split anywhere", () => {
    const { initiator: first, responder: other } = pair(3);
    const answer = feed(other, first.start());
    const all = Buffer.concat([first.start(), feed(first, answer.sent).sent]);
    const cuts = fc.oneof(fc.array(fc.nat(), { maxLength: 6 }), fc.constant([...all.keys()]));
    const property = fc.property(cuts, (places) => {
      // The same seed gives the same keys only where the same things are drawn before.
      const { responder } = pair(3);
      const steps = split(all, places).flatMap((part) =>
        responder.stage === "over" ? [] : [feed(responder, part)],
      );
      expect(Buffer.concat(steps.map(({ sent }) => sent))).toEqual(Buffer.from(answer.sent));
      expect(steps.at(-1)?.last).toMatchObject({ kind: "done", answer: { kind: "hello" } });
    });
    fc.assert(property, { numRuns: 200 });
  });

  test("says nothing to who does not know its key, and to what is no auth", () => {
    const { initiator } = pair();
    const other = new RlpxResponder({
      privateKey: new Uint8Array(32).fill(9),
      random: new SeededRandom(2),
    });
    expect(codeOf(() => other.receive(initiator.start()))).toBe("not-rlpx");
    expect(codeOf(() => other.receive())).toBe("handshake-over");
    for (const text of ["GET / HTTP/1.1", "SSH-2.0-x", "\x16\x03\x01\x02"]) {
      const bytes = new TextEncoder().encode(text).slice(0, 3);
      expect(codeOf(() => pair().responder.receive(bytes))).toBe("not-rlpx");
    }
  });

  test("takes EIP-8's auths, and refuses the format before it", () => {
    const random = new SeededRandom(1);
    const responder = (): RlpxResponder =>
      new RlpxResponder({ privateKey: hex(eip8.staticKeyB), random });
    for (const auth of [eip8.auth2, eip8.auth3]) {
      const one = responder();
      expect(one.receive(hex(auth)).kind).toBe("send");
      expect(one.stage).toBe("hello");
    }
    // Before EIP-8: 194 bytes, sealed without a size before them.
    const publicKey = publicKeyOf(hex(eip8.staticKeyB));
    const old = sealEcies(publicKey, new Uint8Array(194), new Uint8Array(0), random);
    expect(codeOf(() => responder().receive(old))).toBe("not-rlpx");
  });

  test("each breach after the auth has its code", () => {
    const hello: Hello = {
      protocolVersion: 5,
      clientId: "us",
      capabilities: [],
      listenPort: 0,
      publicKey: publicKeyOf(INITIATOR_KEY),
    };
    const codeAfter = (message: Uint8Array): string => {
      const random = new SeededRandom(4);
      const caller = new RlpxCaller(INITIATOR_KEY, publicKeyOf(RESPONDER_KEY), random);
      const { responder } = pair(5);
      caller.takeAnswer(feed(responder, caller.auth).sent);
      return codeOf(() => feed(responder, caller.seal(message)));
    };
    expect(codeAfter(encodeHello(hello))).toBe("none");
    expect(codeAfter(encodeDisconnect(4, undefined))).toBe("none");
    const other = { ...hello, publicKey: publicKeyOf(RESPONDER_KEY) };
    expect(codeAfter(encodeHello(other))).toBe("hello-identity");
    expect(codeAfter(Uint8Array.of(2, 0xc0))).toBe("message-unexpected");
    expect(codeAfter(Uint8Array.of(0x80, 0x80))).toBe("message-malformed");
    expect(codeAfter(new Uint8Array(HELLO_BYTES_MAX + 1))).toBe("frame-too-large");
  });

  test("a replayed auth gives its sender nothing: it can't seal a frame", () => {
    const { initiator, responder } = pair();
    const answer = feed(responder, initiator.start());
    const first = feed(initiator, answer.sent).sent;
    const again = pair(8).responder;
    expect(again.receive(initiator.start()).kind).toBe("send");
    expect(codeOf(() => feed(again, first))).toBe("frame-mac");
  });
});

describe("an auth packet", () => {
  test(
    "that is mutated is refused, one of random content too",
    () => {
      const privateKey = hex(eip8.staticKeyB);
      const originals = [hex(eip8.auth2), hex(eip8.auth3)];
      const isOriginal = (bytes: Uint8Array) =>
        originals.some((original) => Buffer.from(original).equals(bytes));
      const property = fc.property(mutated(originals), (auth) => {
        const code = codeOf(() => openAuth(privateKey, auth));
        expect(code).toBe(isOriginal(auth) ? "none" : "not-rlpx");
      });
      fc.assert(property, { numRuns: RUNS });
      const random = new SeededRandom(4);
      const content = fc.property(fc.uint8Array({ maxLength: 260 }), (body) => {
        const auth = sealHandshake(publicKeyOf(privateKey), body, random);
        expect(codeOf(() => openAuth(privateKey, auth))).toBe("not-rlpx");
      });
      fc.assert(content, { numRuns: 300 });
    },
    MUTATED_AUTHS_MS_MAX,
  );

  test("with a key off the curve, or a signature of no key, is refused", () => {
    const random = new SeededRandom(6);
    const nonce = random.bytes(32);
    const seal = (signature: Uint8Array, key: Uint8Array): Uint8Array =>
      sealHandshake(
        publicKeyOf(RESPONDER_KEY),
        encodeRlp([signature, key, nonce, rlpInteger(4)]),
        random,
      );
    const good = signRecoverably(nonce, INITIATOR_KEY);
    const code = (signature: Uint8Array, key: Uint8Array): string =>
      codeOf(() => openAuth(RESPONDER_KEY, seal(signature, key)));
    expect(code(good, publicKeyOf(INITIATOR_KEY))).toBe("none");
    expect(code(good, new Uint8Array(64).fill(1))).toBe("not-rlpx");
    expect(code(new Uint8Array(65), publicKeyOf(INITIATOR_KEY))).toBe("not-rlpx");
    expect(code(good.with(64, 7), publicKeyOf(INITIATOR_KEY))).toBe("not-rlpx");
  });

  test("a signature gives back the key that made it", () => {
    const property = fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (hash) => {
      const signature = signRecoverably(hash, INITIATOR_KEY);
      expect(recoverKey(signature, hash)).toEqual(publicKeyOf(INITIATOR_KEY));
    });
    fc.assert(property, { numRuns: 200 });
  });
});
