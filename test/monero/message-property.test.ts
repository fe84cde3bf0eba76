import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { LevinError } from "../../lib/levin/error.ts";
import { LEVIN_HEADER_BYTES } from "../../lib/levin/header.ts";
import { decodeStorage, encodeStorage } from "../../lib/levin/storage.ts";
import {
  decodeHandshakeRequest,
  decodeHandshakeResponse,
  decodeNewTransactions,
  decodePingResponse,
  decodePoolComplement,
  decodeSupportFlagsResponse,
  decodeTimedSyncRequest,
  decodeTimedSyncResponse,
  encodeEmptyRequest,
  encodeHandshakeRequest,
  encodeHandshakeResponse,
  encodeNewTransactions,
  encodePingResponse,
  encodePoolComplement,
  encodeSupportFlagsResponse,
  encodeTimedSyncRequest,
  encodeTimedSyncResponse,
  MoneroMessageError,
} from "../../lib/monero/message.ts";
import { mutated, RUNS } from "../levin/mutation.ts";
import { joined, vector, vectorNames } from "../levin/vectors.ts";
import {
  coreSyncData,
  handshakeRequest,
  handshakeResponse,
  newTransactions,
  poolComplement,
} from "./arbitrary-message.ts";
import { again } from "./message-again.ts";

describe("any message", () => {
  /** Survives with bytes behind it, and has its fields in the order of the general encoder. */
  function survives<T>(
    arbitrary: fc.Arbitrary<T>,
    encode: (message: T) => Uint8Array,
    decode: (payload: Uint8Array) => T,
  ): void {
    const property = fc.property(arbitrary, (message) => {
      const payload = encode(message);
      expect(Bun.deepEquals(decode(joined(payload, new Uint8Array(3))), message)).toBe(true);
      expect(Buffer.compare(encodeStorage(decodeStorage(payload).section), payload)).toBe(0);
    });
    fc.assert(property, { numRuns: RUNS });
  }

  const timedSync = fc.record({ payloadData: coreSyncData });
  const timedSyncResponse = handshakeResponse.map(({ payloadData, peers }) => ({
    payloadData,
    peers,
  }));
  const ping = fc.record({ peerId: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }) });
  const flags = fc.record({ supportFlags: fc.nat(0xffff_ffff) });

  test("1001 request", () =>
    survives(handshakeRequest, encodeHandshakeRequest, decodeHandshakeRequest));
  test(
    "1001 response",
    () => survives(handshakeResponse, encodeHandshakeResponse, decodeHandshakeResponse),
    60_000,
  );
  test("1002 request", () => survives(timedSync, encodeTimedSyncRequest, decodeTimedSyncRequest));
  test(
    "1002 response",
    () => survives(timedSyncResponse, encodeTimedSyncResponse, decodeTimedSyncResponse),
    60_000,
  );
  test("1003 response", () => survives(ping, encodePingResponse, decodePingResponse));
  test("1007 response", () =>
    survives(flags, encodeSupportFlagsResponse, decodeSupportFlagsResponse));
  test("2002", () => survives(newTransactions, encodeNewTransactions, decodeNewTransactions));
  test("2010", () => survives(poolComplement, encodePoolComplement, decodePoolComplement));

  const originals = vectorNames
    .filter((name) => name !== "noise" && !name.startsWith("fragment"))
    .map((name) => vector(name).slice(LEVIN_HEADER_BYTES));
  const signature = encodeEmptyRequest().slice(0, 9);
  const random = fc.uint8Array({ maxLength: 200 }).map((tail) => joined(signature, tail));

  for (const [kind, decodeEncode] of Object.entries(again)) {
    for (const [what, payloads] of [
      ["random", random],
      ["mutated", mutated(originals)],
    ] as const) {
      test(`${what} bytes as ${kind} give a message, written alike ever after, or a fault of the peer`, () => {
        const property = fc.property(payloads, (payload) => {
          let once: Uint8Array;
          try {
            once = decodeEncode(payload);
          } catch (error) {
            if (!(error instanceof LevinError || error instanceof MoneroMessageError)) throw error;
            expect(error.where).toBe("peer");
            return;
          }
          expect(Buffer.compare(decodeEncode(once), once)).toBe(0);
        });
        fc.assert(property, { numRuns: RUNS });
      });
    }
  }
});
