import { afterEach, expect, test } from "bun:test";
import { SocksClient, type SocksClientOptions } from "socks";
import { SocksError } from "../../lib/socks/error.ts";
import type { SocksRequest } from "../../lib/socks/message.ts";
import { SocksServer } from "../../lib/socks/server.ts";
import {
  ByteReader,
  closeAfterwards,
  closeAll,
  dialled,
  listening,
  rejection,
} from "./loopback.ts";

/* The npm package `socks` knows nothing of our code: what it understands is SOCKS. */

afterEach(closeAll);

const ONION = "c76swrbdwnejsw3o4fg6rnsypbjnw4dmwnhv3ew6cm72rykrtpif7pad.onion";

/** A server that leads to an echo, and what it was asked. */
async function echoServer(): Promise<{ server: SocksServer; asked: SocksRequest[] }> {
  const { port } = await listening((socket) => socket.pipe(socket));
  const asked: SocksRequest[] = [];
  const server = await SocksServer.listen({
    authenticate: undefined,
    connect: async (request) => {
      asked.push(request);
      if (request.port === 81) throw new SocksError("connection-refused", "No.");
      return await dialled(port);
    },
  });
  closeAfterwards(() => void server.close());
  return { server, asked };
}

async function echoed(
  server: SocksServer,
  proxy: Partial<SocksClientOptions["proxy"]>,
  destination: { host: string; port: number },
): Promise<string> {
  const { host, port } = server.address();
  const { socket } = await SocksClient.createConnection({
    proxy: { type: 5, host, port, ...proxy },
    command: "connect",
    destination,
  });
  closeAfterwards(() => socket.destroy());
  socket.write(Buffer.from("beef", "hex"));
  return await new ByteReader(socket).take(2);
}

test("SOCKS5 with names, IPv4 and IPv6", async () => {
  const { server, asked } = await echoServer();
  for (const host of [ONION, "a.test", "192.0.2.7", "2001:db8::7"]) {
    expect(await echoed(server, {}, { host, port: 80 })).toBe("beef");
  }
  expect(asked.map((request) => `${request.version} ${request.host} ${request.port}`)).toEqual([
    `5 ${ONION} 80`,
    "5 a.test 80",
    "5 192.0.2.7 80",
    "5 2001:db8::7 80",
  ]);
});

test("SOCKS5 with user name and password", async () => {
  const { server, asked } = await echoServer();
  const proxy = { userId: "alice", password: "stem" };
  expect(await echoed(server, proxy, { host: "a.test", port: 80 })).toBe("beef");
  expect(asked[0]?.auth).toEqual({
    user: new Uint8Array(Buffer.from("alice")),
    password: new Uint8Array(Buffer.from("stem")),
  });
});

test("SOCKS4 and 4a", async () => {
  const { server, asked } = await echoServer();
  const proxy = { type: 4, userId: "bob" } as const;
  expect(await echoed(server, proxy, { host: "192.0.2.7", port: 80 })).toBe("beef");
  expect(await echoed(server, proxy, { host: ONION, port: 18_083 })).toBe("beef");
  expect(asked).toEqual([
    { version: "4", command: "connect", host: "192.0.2.7", port: 80, userId: "bob" },
    { version: "4a", command: "connect", host: ONION, port: 18_083, userId: "bob" },
  ]);
});

test("a refusal is understood", async () => {
  const { server } = await echoServer();
  const five = await rejection(echoed(server, {}, { host: "a.test", port: 81 }));
  expect(String(five)).toContain("ConnectionRefused");
  const four = await rejection(echoed(server, { type: 4 }, { host: "a.test", port: 81 }));
  expect(String(four)).toContain("Failed");
});

test("a hundred at a time", async () => {
  const { server } = await echoServer();
  const answers = await Promise.all(
    Array.from({ length: 100 }, () => echoed(server, {}, { host: ONION, port: 80 })),
  );
  expect(new Set(answers)).toEqual(new Set(["beef"]));
});
