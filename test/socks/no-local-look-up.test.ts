import { afterEach, expect, test } from "bun:test";
import { lookup } from "node:dns/promises";
import type { Socket } from "node:net";
import { realClock } from "../../lib/runtime/clock.ts";
import { connectThroughSocks, type SocksProxy } from "../../lib/socks/client.ts";
import type { SocksVersion } from "../../lib/socks/message.ts";
import { toHex } from "./conversation.ts";
import { ByteReader, closeAll, listening } from "./loopback.ts";

afterEach(closeAll);

/** What a client under test does: asks the proxy for a stream to a host. */
type Connect = (proxy: SocksProxy, host: string, version: SocksVersion) => Promise<Socket>;

const ours: Connect = (proxy, host, version) =>
  connectThroughSocks({
    proxy,
    request: { version, command: "connect", host, port: 18_083 },
    deadlineMs: 5_000,
    clock: realClock,
  });

/** A client with the mistake that must not be made: it asks the system for the name first. */
const resolving: Connect = async (proxy, host, version) => {
  const { address } = await lookup(host, { family: 4 });
  return await ours(proxy, address, version === "5" ? "5" : "4");
};

/** The request that a proxy sees, in hexadecimal, exactly as it came. */
async function requestSeen(connect: Connect, host: string, version: SocksVersion): Promise<string> {
  const seen = Promise.withResolvers<string>();
  const { proxy } = await listening(async (socket) => {
    const reader = new ByteReader(socket);
    if (version === "5") {
      await reader.take(3);
      socket.write(Uint8Array.of(5, 0));
    }
    const head = await reader.take(version === "5" ? 5 : 9);
    // Everything that the client sends before it gets an answer: the whole request.
    const name = head.startsWith("05") && head.slice(6, 8) === "03";
    const length = name ? Number.parseInt(head.slice(8), 16) + 2 : 5;
    const isMarker = head.startsWith("04") && head.slice(8, 14) === "000000";
    const tail =
      version === "5"
        ? await reader.take(length)
        : isMarker
          ? await reader.take(host.length + 1)
          : "";
    seen.resolve(head + tail);
    socket.end();
  });
  await connect(proxy, host, version).catch(() => undefined);
  return await seen.promise;
}

/** What a proxy must see: the name itself, letter by letter. */
function requestWithName(host: string, version: SocksVersion): string {
  const name = toHex(Buffer.from(host));
  const length = host.length.toString(16).padStart(2, "0");
  return version === "5" ? `05010003${length}${name}46a3` : `040146a30000000100${name}00`;
}

const ONION = "c76swrbdwnejsw3o4fg6rnsypbjnw4dmwnhv3ew6cm72rykrtpif7pad.onion";

// "localhost" is a name that every system resolves without asking anybody.
test.each(["localhost", "a.invalid", ONION])("%s reaches the proxy as a name", async (host) => {
  for (const version of ["5", "4a"] as const) {
    expect(await requestSeen(ours, host, version)).toBe(requestWithName(host, version));
  }
});

test("a client that looks the name up itself is caught by the same check", async () => {
  const seen = await requestSeen(resolving, "localhost", "5");
  expect(seen).toBe("050100017f00000146a3");
  expect(seen).not.toBe(requestWithName("localhost", "5"));
  expect(await requestSeen(resolving, "localhost", "4a")).not.toBe(
    requestWithName("localhost", "4a"),
  );
});
