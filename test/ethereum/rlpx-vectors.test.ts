import { describe, expect, test } from "bun:test";
import { decodeHello } from "../../lib/ethereum/hello.ts";
import { publicKeyOf, sharedSecret } from "../../lib/ethereum/node-key.ts";
import { RlpxInitiator } from "../../lib/ethereum/rlpx.ts";
import { deriveRlpxSecrets } from "../../lib/ethereum/rlpx-frame.ts";
import { openAck, openAuth } from "../../lib/ethereum/rlpx-packet.ts";
import { type RandomSource, SeededRandom } from "../../lib/runtime/random.ts";
import eip8 from "../vectors/ethereum/eip8.json";
import { codeOf, hex } from "./arbitrary-rlp.ts";

const keyA = hex(eip8.staticKeyA);
const keyB = hex(eip8.staticKeyB);
const ephemeralA = hex(eip8.ephemeralKeyA);
const ephemeralB = hex(eip8.ephemeralKeyB);
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** Gives EIP-8's keys of A in the order in which an initiator draws them, then anything. */
class KeysOfA implements RandomSource {
  readonly #first = [keyA, ephemeralA, hex(eip8.nonceA)];
  readonly #later = new SeededRandom(1);

  bytes(length: number): Uint8Array {
    return this.#first.shift() ?? this.#later.bytes(length);
  }

  uint32(): number {
    return this.#later.uint32();
  }
}

describe("EIP-8's vectors", () => {
  test.each([eip8.auth2, eip8.auth3])("auth is opened by B, and names A", (auth) => {
    const opened = openAuth(keyB, hex(auth));
    expect(text(opened.publicKey)).toBe(text(publicKeyOf(keyA)));
    expect(text(opened.ephemeralKey)).toBe(text(publicKeyOf(ephemeralA)));
    expect(text(opened.nonce)).toBe(eip8.nonceA);
  });

  test.each([eip8.ack2, eip8.ack3])("ack is opened by A", (ack) => {
    const opened = openAck(keyA, hex(ack));
    expect(text(opened.publicKey)).toBe(text(publicKeyOf(ephemeralB)));
    expect(text(opened.nonce)).toBe(eip8.nonceB);
  });

  test("both sides derive the secrets of auth 2 and ack 2", () => {
    const sides = [
      sharedSecret(ephemeralA, publicKeyOf(ephemeralB)),
      sharedSecret(ephemeralB, publicKeyOf(ephemeralA)),
    ];
    for (const ephemeralSecret of sides) {
      const secrets = deriveRlpxSecrets({
        ephemeralSecret,
        initiatorNonce: hex(eip8.nonceA),
        recipientNonce: hex(eip8.nonceB),
        auth: hex(eip8.auth2),
        ack: hex(eip8.ack2),
      });
      expect(text(secrets.aesSecret)).toBe(eip8.aesSecret);
      expect(text(secrets.macSecret)).toBe(eip8.macSecret);
      const state = secrets.initiatorMac.clone().update(new TextEncoder().encode("foo"));
      expect(text(state.digest())).toBe(eip8.ingressMacFoo);
    }
  });

  test.each([eip8.ack2, eip8.ack3])("an initiator with A's keys accepts the ack", (ack) => {
    const remotePublicKey = publicKeyOf(keyB);
    const initiator = new RlpxInitiator({ remotePublicKey, random: new KeysOfA() });
    const opened = openAuth(keyB, initiator.start());
    expect(text(opened.publicKey)).toBe(text(publicKeyOf(keyA)));
    expect(text(opened.ephemeralKey)).toBe(text(publicKeyOf(ephemeralA)));
    expect(initiator.receive(hex(ack)).kind).toBe("send");
    expect(initiator.stage).toBe("hello");
  });

  test("an ack of the format before EIP-8 is refused at its first bytes", () => {
    const remotePublicKey = publicKeyOf(keyB);
    const initiator = new RlpxInitiator({ remotePublicKey, random: new KeysOfA() });
    expect(codeOf(() => initiator.receive(hex(eip8.ack1)))).toBe("not-rlpx");
  });

  test("the Hello of version 55 with further elements is read", () => {
    const hello = decodeHello(hex(eip8.hello));
    expect(hello).toMatchObject({
      protocolVersion: 55,
      clientId: "kneth/v0.91/plan9",
      capabilities: [
        { name: "eth", version: 61 },
        { name: "mork", version: 22 },
      ],
      listenPort: 9999,
    });
    expect(hello.publicKey.length).toBe(64);
  });
});
