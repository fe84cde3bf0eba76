import { afterEach, describe, expect, test } from "bun:test";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { createServer } from "node:tls";
import { realClock } from "../../lib/runtime/clock.ts";
import { VirtualClock } from "../../lib/runtime/virtual-clock.ts";
import type { TubIdentity } from "../../lib/tahoe/furl.ts";
import {
  checkIdentity,
  proveTubOver,
  spkiHashOf,
  type TubProof,
  type TubProofOptions,
  tubIdOf,
} from "../../lib/tahoe/tub-handshake.ts";
import { closeAfterwards, closeAll, dialled, listening, rejection } from "../socks/loopback.ts";
import { otherCertificate, tubCertificate, tubKey } from "./certificate.ts";

const tub: TubIdentity = { kind: "tub", tubId: tubCertificate.tubId };
const otherTub: TubIdentity = { kind: "tub", tubId: otherCertificate.tubId };
const spki: TubIdentity = { kind: "spki", hash: tubCertificate.spkiHash };
const otherSpki: TubIdentity = { kind: "spki", hash: otherCertificate.spkiHash };
const CONSENT =
  "HTTP/1.1 101 Switching Protocols\r\nUpgrade: TLS/1.0, PB/1.0\r\nConnection: Upgrade\r\n\r\n";

/** Serves a connection; `first` is the first chunk that came. */
type Serve = (socket: Socket, first: Uint8Array) => void;

/** A peer that says nothing before it is spoken to, and a paused stream to it, as a proxy gives it. */
async function peer(serve: Serve): Promise<Socket> {
  const { port } = await listening((socket) => {
    socket.once("data", (first: Uint8Array) => serve(socket, first));
  });
  const socket = await dialled(port);
  socket.pause();
  return socket;
}

/** The port of a TLS server that holds our certificate, and what it is told inside TLS. */
async function tlsServer(): Promise<{ port: number; inside: Uint8Array[] }> {
  const inside: Uint8Array[] = [];
  const server = createServer({ key: tubKey, cert: tubCertificate.pem }, (socket) => {
    socket.on("error", () => undefined);
    socket.on("data", (chunk: Uint8Array) => inside.push(chunk));
    socket.write("banana-negotiation-range: 3 3\r\n\r\n");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  closeAfterwards(() => server.close());
  const address = server.address();
  return { port: address !== null && typeof address === "object" ? address.port : 0, inside };
}

/** Goes on with a connection at another port. */
function relayTo(port: number, socket: Socket, first?: Uint8Array): void {
  const onwards = connect({ host: "127.0.0.1", port });
  onwards.on("error", () => socket.destroy());
  if (first) onwards.write(first);
  socket.pipe(onwards).pipe(socket);
  closeAfterwards(() => onwards.destroy());
}

function prove(socket: Socket, change: Partial<TubProofOptions> = {}): Promise<TubProof> {
  const options = { identity: tub, host: "tub", clock: realClock, deadlineMs: 20_000 };
  return proveTubOver(socket, { ...options, ...change });
}

async function verdict(identity: TubIdentity, serve: Serve): Promise<unknown> {
  const socket = await peer(serve);
  const error = await rejection(prove(socket, { identity }));
  expect(socket.destroyed).toBe(true);
  return error;
}

describe("a Tub's identity", () => {
  test("is what OpenSSL says of the certificate", () => {
    for (const certificate of [tubCertificate, otherCertificate]) {
      expect(tubIdOf(certificate.der)).toBe(certificate.tubId);
      expect(spkiHashOf(certificate.der)).toBe(certificate.spkiHash);
    }
    expect(() => checkIdentity(tub, tubCertificate.der)).not.toThrow();
    expect(() => checkIdentity(spki, tubCertificate.der)).not.toThrow();
    for (const identity of [tub, spki]) {
      expect(() => checkIdentity(identity, otherCertificate.der)).toThrow(
        expect.objectContaining({ code: "wrong-identity", where: "peer" }),
      );
    }
    expect(() => spkiHashOf(Uint8Array.of(1, 2, 3))).toThrow(
      expect.objectContaining({ code: "tls-failed" }),
    );
  });
});

describe("proving a Tub over a stream", () => {
  afterEach(closeAll);

  test("takes negotiation and TLS, and sends nothing inside", async () => {
    const { port, inside } = await tlsServer();
    const ended = Promise.withResolvers<void>();
    const socket = await peer((other) => {
      other.write(CONSENT);
      other.on("close", () => ended.resolve());
      relayTo(port, other);
    });
    const { identity, tlsVersion, elapsedMs } = await prove(socket);
    expect(identity).toEqual(tub);
    expect(tlsVersion).toBe("TLSv1.3");
    expect(elapsedMs.firstByte).toBeGreaterThan(0);
    expect(elapsedMs.negotiated).toBeGreaterThanOrEqual(elapsedMs.firstByte);
    expect(elapsedMs.proven).toBeGreaterThan(elapsedMs.negotiated);
    expect(socket.destroyed).toBe(true);
    await ended.promise;
    expect(inside).toEqual([]);
  });

  test("takes TLS alone for a NURL", async () => {
    const { port, inside } = await tlsServer();
    const socket = await peer((other, first) => relayTo(port, other, first));
    const { tlsVersion, elapsedMs } = await prove(socket, { identity: spki });
    expect(tlsVersion).toBe("TLSv1.3");
    expect(elapsedMs.negotiated).toBe(0);
    expect(elapsedMs.proven).toBeGreaterThanOrEqual(elapsedMs.firstByte);
    expect(inside).toEqual([]);
  });

  test("refuses who proves to be somebody else", async () => {
    const { port } = await tlsServer();
    const willing: Serve = (other) => {
      other.write(CONSENT);
      relayTo(port, other);
    };
    expect(await verdict(otherTub, willing)).toMatchObject({
      code: "wrong-identity",
      where: "peer",
      message: expect.stringContaining(tubCertificate.tubId),
    });
    const error = await verdict(otherSpki, (other, first) => relayTo(port, other, first));
    expect(error).toMatchObject({ code: "wrong-identity" });
  });

  test("tells a listener that says nothing from one that stops half-way, in every stage", async () => {
    const tlsHead = Uint8Array.of(0x16, 0x03, 0x03, 0x10, 0x00, 0x02);
    const cases: readonly (readonly [TubIdentity, string, string | Uint8Array | undefined])[] = [
      [tub, "silent", undefined],
      [tub, "stalled", "HTTP/1.1 101 Swi"],
      [tub, "stalled", CONSENT],
      [spki, "silent", undefined],
      [spki, "stalled", tlsHead],
    ];
    for (const [identity, code, words] of cases) {
      const clock = new VirtualClock();
      const spoken = Promise.withResolvers<void>();
      const socket = await peer((other) => {
        if (words === undefined) spoken.resolve();
        else other.write(words);
      });
      socket.once("data", () => spoken.resolve());
      const proof = rejection(prove(socket, { identity, clock, deadlineMs: 30_000 }));
      await spoken.promise;
      clock.advanceTo(29_999);
      expect(socket.destroyed).toBe(false);
      clock.advanceTo(30_000);
      expect(await proof).toMatchObject({ code, where: "peer" });
      expect(socket.destroyed).toBe(true);
    }
  });

  test("a peer that closes has its own code, in every stage", async () => {
    expect(await verdict(tub, (other) => other.end())).toMatchObject({ code: "closed" });
    expect(await verdict(tub, (other) => other.end(CONSENT))).toMatchObject({ code: "closed" });
    expect(await verdict(spki, (other) => other.end())).toMatchObject({ code: "closed" });
    const reset = await verdict(spki, (other) => other.resetAndDestroy());
    expect(reset).toMatchObject({ code: "closed" });
  });

  test("garbage has its own code, in every stage", async () => {
    const garbage = "SSH-2.0-OpenSSH_9.2\r\n";
    expect(await verdict(tub, (other) => other.write(garbage))).toMatchObject({
      code: "not-a-tub",
    });
    expect(await verdict(tub, (other, first) => other.write(first))).toMatchObject({
      code: "not-a-tub",
    });
    expect(await verdict(spki, (other) => other.write(garbage))).toMatchObject({
      code: "tls-failed",
    });
    const after = await verdict(tub, (other) => {
      other.write(CONSENT);
      other.once("data", () => other.write(garbage));
    });
    expect(after).toMatchObject({ code: "tls-failed" });
  });

  test("a server that does not hold the Tub says so", async () => {
    const words = "HTTP/1.1 500 Internal Server Error: unknown TubID\r\n\r\n";
    expect(await verdict(tub, (other) => other.write(words))).toMatchObject({
      code: "unknown-tub",
    });
  });

  test("garbage for ever ends", async () => {
    for (const [identity, code] of [
      [tub, "not-a-tub"],
      [spki, "tls-failed"],
    ] as const) {
      const error = await verdict(identity, (other) => {
        const more = (): void => {
          while (!other.destroyed && other.write("HTTP/1.1 ".repeat(5_000)));
          other.once("drain", more);
        };
        more();
      });
      expect(error).toMatchObject({ code });
    }
  });

  test("is called off before and while it waits", async () => {
    const before = await peer(() => undefined);
    const options = { signal: AbortSignal.abort() };
    expect(await rejection(prove(before, options))).toMatchObject({ code: "aborted" });
    for (const identity of [tub, spki]) {
      const controller = new AbortController();
      const socket = await peer(() => controller.abort());
      const error = await rejection(prove(socket, { identity, signal: controller.signal }));
      expect(error).toMatchObject({ code: "aborted", where: "local" });
      expect(socket.destroyed).toBe(true);
    }
  });
});
