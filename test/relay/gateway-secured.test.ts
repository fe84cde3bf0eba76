import { afterEach, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { connect } from "node:net";
import { makeAddress } from "../../lib/address/address.ts";
import { onionName } from "../../lib/address/onion.ts";
import { walletDaemonNames } from "../../lib/relay/gateway-option.ts";
import { type DaemonPlace, daemonDial } from "../../lib/relay/gateway-place.ts";
import { readCertificates } from "../../lib/relay/gateway-tls.ts";
import { realClock } from "../../lib/runtime/clock.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { StreamIsolation } from "../../lib/socks/isolation.ts";
import type { SocksRequest } from "../../lib/socks/message.ts";
import { SocksServer } from "../../lib/socks/server.ts";
import { Dialer } from "../../lib/zone/dial.ts";
import { otherCertificate, tubCertificate, tubKey } from "../tahoe/certificate.ts";
import {
  alwaysOk,
  endDaemons,
  type FakeAnswer,
  FakeDaemon,
  type FakeIdentity,
  okAnswer,
  pem,
} from "./fake-daemon.ts";
import { nodeWithGateway } from "./gateway-node.ts";
import { endNodes, type RpcNode } from "./rpc-node.ts";

const proxies: SocksServer[] = [];

afterEach(async () => {
  endNodes();
  endDaemons();
  for (const proxy of proxies.splice(0)) await proxy.close();
});

const authority = pem("gateway-authority.pem");
/** Signed by the authority, for 127.0.0.1. */
const here: FakeIdentity = { cert: pem("gateway-here.pem"), key: pem("gateway-here-key.pem") };
/** Signed by the authority, for another host. */
const elsewhere: FakeIdentity = {
  cert: pem("gateway-elsewhere.pem"),
  key: pem("gateway-elsewhere-key.pem"),
};
/** Its own signer, and names no host: so are those that monerod makes. */
const ownSigned: FakeIdentity = { cert: tubCertificate.pem, key: tubKey };

async function troubleOf(node: RpcNode): Promise<Record<string, unknown>> {
  return (await node.get("/status")).body["daemon"] as Record<string, unknown>;
}

describe("TLS", () => {
  const accepted: readonly [string, FakeIdentity, readonly string[] | undefined, boolean][] = [
    ["the very certificate, though it names no host", ownSigned, [ownSigned.cert], false],
    ["one of several", ownSigned, [otherCertificate.pem, ownSigned.cert], false],
    ["one that the authority signed for the host", here, [authority], false],
    ["any, where any is allowed", ownSigned, undefined, true],
  ];
  test.each(accepted)("takes %s", async (_, identity, certificates, anyCertificate) => {
    const daemon = await FakeDaemon.start(alwaysOk, identity);
    const url = `https://127.0.0.1:${daemon.port}`;
    const node = await nodeWithGateway({ daemon, texts: { url, certificates, anyCertificate } });
    expect((await node.get("/get_info")).body).toEqual({ status: "OK" });
    expect(await troubleOf(node)).toMatchObject({ tls: true, failures: 0 });
  });

  const refused: readonly [string, FakeIdentity, readonly string[] | undefined][] = [
    ["another than the pinned one", ownSigned, [otherCertificate.pem]],
    ["one that the authority signed for another host", elsewhere, [authority]],
    ["one that no authority of this machine signed", here, undefined],
    ["one that is its own signer", ownSigned, undefined],
  ];
  test.each(refused)("refuses %s, before anything is said", async (_, identity, certificates) => {
    const daemon = await FakeDaemon.start(alwaysOk, identity);
    const url = `https://127.0.0.1:${daemon.port}`;
    const node = await nodeWithGateway({ daemon, texts: { url, certificates } });
    const { status, body } = await node.get("/get_info");
    expect(status).toBe(502);
    expect(String(body["error"])).toContain("is not trusted");
    expect(daemon.requests).toEqual([]);
  });

  test("is never left out where it is wanted", async () => {
    const daemon = await FakeDaemon.start(alwaysOk);
    const url = `https://127.0.0.1:${daemon.port}`;
    const node = await nodeWithGateway({ daemon, texts: { url, anyCertificate: true } });
    for (let time = 0; time < 3; time++) expect((await node.get("/get_info")).status).toBe(502);
    expect(daemon.requests).toEqual([]);
    expect(String((await troubleOf(node))["trouble"])).toContain("--daemon-ssl disabled");
  });

  test("is found out where it is there, and stays", async () => {
    const daemon = await FakeDaemon.start(alwaysOk, ownSigned);
    const url = `127.0.0.1:${daemon.port}`;
    const node = await nodeWithGateway({ daemon, texts: { url } });
    expect(await troubleOf(node)).toMatchObject({ tls: null });
    expect((await node.get("/get_info")).status).toBe(200);
    expect(await troubleOf(node)).toMatchObject({ tls: true });
  });

  test("is gone without where the daemon has none", async () => {
    const daemon = await FakeDaemon.start(alwaysOk);
    const node = await nodeWithGateway({ daemon, texts: { url: `127.0.0.1:${daemon.port}` } });
    expect((await node.get("/get_info")).status).toBe(200);
    expect(await troubleOf(node)).toMatchObject({ tls: false, failures: 0 });
    const { length } = daemon.sockets;
    expect((await node.get("/get_info")).status).toBe(200);
    // TLS is not tried again.
    expect(daemon.sockets.length - length).toBeLessThanOrEqual(1);
  });

  test("carries large answers", async () => {
    const text = "x".repeat(20_000_000);
    const daemon = await FakeDaemon.start(({ socket }) => socket.write(okAnswer({ text })), here);
    const url = `https://127.0.0.1:${daemon.port}`;
    const node = await nodeWithGateway({ daemon, texts: { url, certificates: [authority] } });
    const { body } = await node.get("/get_info");
    expect(body["text"] === text).toBe(true);
  });

  test("certificates that can't be read are refused", () => {
    expect(readCertificates(`${authority}\n${here.cert}`, "f")).toHaveLength(2);
    expect(() => readCertificates("", "f")).toThrow("holds 0 certificates");
    const broken = authority.replace(/\n[A-Za-z0-9+/]{20}/, "\n!!!!!!!!!!!!!!!!!!!!");
    expect(() => readCertificates(broken, "f")).toThrow("can't be read");
  });
});

describe("a login", () => {
  const login = { user: "me", password: "correct horse" };
  const md5 = (text: string): string => createHash("md5").update(text).digest("hex");

  /** monerod's way: a challenge to each connection, whose uses have to be counted up. */
  function guarded(seen: string[]): FakeAnswer {
    const counts = new Map<number, number>();
    return ({ socket, headers, line, connection }) => {
      const nonce = `nonce-${connection}`;
      const given = headers.get("authorization") ?? "";
      seen.push(given);
      const field = (name: string): string =>
        new RegExp(`\\b${name}="?([^",]+)`).exec(given)?.[1] ?? "";
      const [method, path] = line.split(" ");
      const count = counts.get(connection) ?? 1;
      const ha1 = md5(`me:monero-rpc:${login.password}`);
      const wanted = md5(
        `${ha1}:${nonce}:${field("nc")}:${field("cnonce")}:auth:${md5(`${method}:${path}`)}`,
      );
      if (field("response") === wanted && Number.parseInt(field("nc"), 16) === count) {
        counts.set(connection, count + 1);
        socket.write(okAnswer({ count }));
        return;
      }
      const challenge = (algorithm: string): string =>
        `WWW-authenticate: Digest qop="auth",algorithm=${algorithm},realm="monero-rpc",nonce="${nonce}",stale=false\r\n`;
      socket.write(
        `HTTP/1.1 401 Unauthorized\r\nContent-Length: 4\r\n${challenge("MD5-sess")}${challenge("MD5")}\r\nnope`,
      );
    };
  }

  test("is shown by digests, on every request of a connection", async () => {
    const seen: string[] = [];
    const daemon = await FakeDaemon.start(guarded(seen));
    const node = await nodeWithGateway({ daemon, login });
    const socket = await node.socket();
    for (let time = 1; time <= 3; time++) {
      socket.write("GET /get_info HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
      const [part] = await once(socket, "data");
      expect(String(part)).toContain(`{"count":${time}}`);
    }
    expect(seen).toHaveLength(4);
    expect(seen.join()).not.toContain(login.password);
    expect(JSON.stringify(await troubleOf(node))).not.toContain(login.password);
  });

  test("that is wrong is told, once and not again and again", async () => {
    const seen: string[] = [];
    const daemon = await FakeDaemon.start(guarded(seen));
    const node = await nodeWithGateway({ daemon, login: { ...login, password: "wrong" } });
    const { status, body } = await node.get("/get_info");
    expect([status, seen.length]).toEqual([502, 2]);
    expect(String(body["error"])).toContain("--daemon-login-file");
    expect(JSON.stringify(body)).not.toContain("wrong");
  });

  test("that is wanted and not given is told", async () => {
    const daemon = await FakeDaemon.start(guarded([]));
    const node = await nodeWithGateway({ daemon });
    const { status, body } = await node.get("/get_info");
    expect(status).toBe(502);
    expect(String(body["error"])).toContain("wants a login");
  });

  test("is not given to who asks for the bare password", async () => {
    const seen: (string | undefined)[] = [];
    const daemon = await FakeDaemon.start(({ socket, headers }) => {
      seen.push(headers.get("authorization"));
      socket.write(
        'HTTP/1.1 401 No\r\nContent-Length: 0\r\nWWW-Authenticate: Basic realm="a"\r\n\r\n',
      );
    });
    const node = await nodeWithGateway({ daemon, login });
    expect((await node.get("/get_info")).status).toBe(502);
    expect(seen).toEqual([undefined]);
  });
});

describe("the proxy", () => {
  const onion = onionName(new SeededRandom(9).bytes(32));

  async function proxyTo(daemon: FakeDaemon): Promise<{ port: number; asked: SocksRequest[] }> {
    const asked: SocksRequest[] = [];
    const proxy = await SocksServer.listen({
      connect: async (request) => {
        asked.push(request);
        const socket = connect({ host: "127.0.0.1", port: daemon.port, allowHalfOpen: true });
        await once(socket, "connect");
        return socket;
      },
    });
    proxies.push(proxy);
    return { port: proxy.address().port, asked };
  }

  test("an onion is asked for by name, with credentials of each wallet's own", async () => {
    const daemon = await FakeDaemon.start(alwaysOk);
    const { port, asked } = await proxyTo(daemon);
    const isolation = new StreamIsolation(new SeededRandom(3));
    const dialer = new Dialer(
      {
        zone: "tor",
        proxy: { host: "127.0.0.1", port },
        version: "5",
        outboundMax: 1,
        noise: "on",
      },
      isolation,
      realClock,
    );
    const address = makeAddress(onion, 18_081);
    const place: DaemonPlace = {
      address,
      ssl: "disabled",
      trust: { kind: "any" },
      trusted: false,
      options: walletDaemonNames,
    };
    const dial = daemonDial(
      place,
      { kind: "zone" },
      { dialers: { tor: dialer }, isolation, clock: realClock },
    );
    const node = await nodeWithGateway({ daemon, dial, texts: { url: `${onion}:18081` } });
    const sockets = [await node.socket(), await node.socket()];
    for (const socket of [...sockets, ...sockets]) {
      socket.write("GET /get_info HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
      await once(socket, "data");
    }
    expect(daemon.requests).toHaveLength(4);
    expect(daemon.requests[0]?.headers.get("host")).toBe(`${onion}:18081`);
    // Autodetection has tried TLS first, with the same credentials.
    expect(new Set(asked.map(({ host, port: asked }) => `${host}:${asked}`))).toEqual(
      new Set([`${onion}:18081`]),
    );
    const labels = new Set(asked.map(({ auth }) => Buffer.from(auth?.password ?? "").toString()));
    expect([...labels]).toEqual(["daemon-1", "daemon-2"]);
    const transactions = isolation.credentials("link-1");
    expect(labels.has(transactions.password)).toBe(false);
  });
});
