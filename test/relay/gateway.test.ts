import { afterEach, describe, expect, test } from "bun:test";
import { decodeStorage, encodeStorage } from "../../lib/levin/storage.ts";
import { alwaysOk, endDaemons, FakeDaemon, okAnswer } from "./fake-daemon.ts";
import { nodeWithGateway } from "./gateway-node.ts";
import { answerOn, endNodes, type RpcNode } from "./rpc-node.ts";
import { hexOf, idOf } from "./transactions.ts";

afterEach(() => {
  endNodes();
  endDaemons();
});

async function fetchFrom(
  node: RpcNode,
  path: string,
  body?: Uint8Array<ArrayBuffer>,
): Promise<Response> {
  const url = `http://127.0.0.1:${node.rpc.port}${path}`;
  return await fetch(url, body === undefined ? {} : { method: "POST", body });
}

async function statusOf(node: RpcNode): Promise<Record<string, unknown>> {
  return (await node.get("/status")).body["daemon"] as Record<string, unknown>;
}

describe("what is passed on", () => {
  test.each([
    "/get_height",
    "/getheight",
    "/get_info",
    "/get_transactions",
    "/gettransactions",
    "/get_outs",
    "/get_transaction_pool",
    "/get_transaction_pool_hashes",
    "/get_transaction_pool_hashes.bin",
    "/is_key_image_spent",
  ])("%s, with its body and its answer", async (path) => {
    const body = { status: "OK", told: "by the daemon", big: "18446744073709551615" };
    const daemon = await FakeDaemon.start(({ socket }) => socket.write(okAnswer(body)));
    const node = await nodeWithGateway({ daemon });
    const answer = await node.post(path, { question: 7 });
    expect([answer.status, answer.head]).toEqual([200, "application/json"]);
    expect(answer.body).toEqual(body);
    expect(daemon.asked).toEqual([`POST ${path}`]);
    expect(daemon.requests[0]?.body.toString()).toBe('{"question":7}');
  });

  test.each([
    "/getblocks.bin",
    "/get_blocks.bin",
    "/get_blocks_by_height.bin",
    "/gethashes.bin",
    "/get_o_indexes.bin",
    "/get_outs.bin",
  ])("%s, in bytes", async (path) => {
    const told = Uint8Array.from({ length: 70_000 }, (_, index) => index % 251);
    const daemon = await FakeDaemon.start(({ socket }) => {
      socket.write(`HTTP/1.1 200 Ok\r\nContent-Length: ${told.length}\r\n\r\n`);
      socket.write(told);
    });
    const node = await nodeWithGateway({ daemon });
    const asked = encodeStorage(new Map([["start_height", { type: "u64", value: 3n }]]));
    const answer = await fetchFrom(node, path, Uint8Array.from(asked));
    expect(answer.headers.get("content-type")).toBe("application/octet-stream");
    expect(new Uint8Array(await answer.arrayBuffer())).toEqual(told);
    expect(Uint8Array.from(daemon.requests[0]?.body ?? [])).toEqual(Uint8Array.from(asked));
    expect(daemon.requests[0]?.headers.get("content-type")).toBe("application/octet-stream");
  });

  test("JSON-RPC, digit for digit", async () => {
    const daemon = await FakeDaemon.start(alwaysOk);
    const node = await nodeWithGateway({ daemon });
    const text =
      '{"jsonrpc":"2.0","id":"0","method":"get_output_histogram","params":{"amounts":[18446744073709551615]}}';
    await node.post("/json_rpc", text);
    expect(daemon.requests[0]?.body.toString()).toBe(text);
  });

  test("a GET without a body, and no query", async () => {
    const daemon = await FakeDaemon.start(alwaysOk);
    const node = await nodeWithGateway({ daemon });
    expect((await node.get("/get_info?who=me")).status).toBe(200);
    expect(daemon.asked).toEqual(["GET /get_info"]);
  });

  test("nothing of the wallet's own headers", async () => {
    const daemon = await FakeDaemon.start(alwaysOk);
    const node = await nodeWithGateway({ daemon });
    const headers = [
      "Host: 127.0.0.1",
      "User-Agent: me/1",
      "Cookie: a=b",
      "Authorization: Basic x",
      "X-Id: 7",
    ];
    await node.raw(`GET /get_info HTTP/1.1\r\n${headers.join("\r\n")}\r\n\r\n`);
    expect([...(daemon.requests[0]?.headers ?? [])]).toEqual([
      ["host", `127.0.0.1:${daemon.port}`],
      ["content-length", "0"],
    ]);
  });

  test("the daemon's own refusals come through", async () => {
    const refusal = { status: "Failed", error: "no" };
    const daemon = await FakeDaemon.start(({ socket }) => {
      socket.write(okAnswer(refusal, "404 Not found"));
    });
    const node = await nodeWithGateway({ daemon });
    expect(await node.get("/get_info")).toMatchObject({ status: 404, body: refusal });
  });
});

describe("what tells one wallet from another is taken out", () => {
  test("of JSON", async () => {
    const daemon = await FakeDaemon.start(alwaysOk);
    const node = await nodeWithGateway({ daemon });
    await node.post(
      "/get_outs",
      '{"client": "c0ffee", "outputs": [{"amount": 18446744073709551615}]}',
    );
    await node.post("/json_rpc", { method: "get_version", params: { client: "c0ffee" } });
    const texts = daemon.requests.map(({ body }) => body.toString());
    expect(texts.join()).not.toContain("c0ffee");
    expect(texts[0]).toBe('{"client":"", "outputs": [{"amount": 18446744073709551615}]}');
  });

  test("of portable storage", async () => {
    const daemon = await FakeDaemon.start(alwaysOk);
    const node = await nodeWithGateway({ daemon });
    const bytes = new TextEncoder().encode("c0ffee".repeat(16));
    const asked = encodeStorage(
      new Map([
        ["client", { type: "string", value: bytes }],
        ["prune", { type: "bool", value: true }],
      ]),
    );
    await fetchFrom(node, "/getblocks.bin", Uint8Array.from(asked));
    const got = daemon.requests[0]?.body ?? Buffer.alloc(0);
    expect([...decodeStorage(got).section.keys()]).toEqual(["prune"]);
  });
});

describe("a transaction never goes to the daemon", () => {
  test("it is taken in here, by either name", async () => {
    const daemon = await FakeDaemon.start(alwaysOk);
    const node = await nodeWithGateway({ daemon });
    expect((await node.send(hexOf(0))).body).toMatchObject({ anonctl: { id: idOf(0) } });
    const again = await node.post("/sendrawtransaction", { tx_as_hex: hexOf(1) });
    expect(again.body).toMatchObject({ anonctl: { id: idOf(1) } });
    expect(daemon.sockets).toEqual([]);
  });

  test.each([
    "/send_raw_transaction/",
    "//send_raw_transaction",
    "/SEND_RAW_TRANSACTION",
    "/send_raw_transaction.bin",
    "/send%5Fraw_transaction",
    "/./send_raw_transaction",
    "/submit_raw_tx",
    "/",
  ])("not as %s, nor as any path that is not known", async (path) => {
    const daemon = await FakeDaemon.start(alwaysOk);
    const node = await nodeWithGateway({ daemon });
    const body = JSON.stringify({ tx_as_hex: hexOf(0) });
    await node.raw(
      `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
    expect(daemon.sockets).toEqual([]);
  });

  test.each([
    "relay_tx",
    "submit_block",
    "submitblock",
    "flush_txpool",
    "send_raw_transaction",
    "",
    7,
    null,
    undefined,
  ])("nor does JSON-RPC %p", async (method) => {
    const daemon = await FakeDaemon.start(alwaysOk);
    const node = await nodeWithGateway({ daemon, texts: { trusted: true } });
    const { body } = await node.post("/json_rpc", { id: "3", method, params: [hexOf(0)] });
    expect(body).toEqual({
      ...{ id: "3", jsonrpc: "2.0" },
      error: { code: -32601, message: "Method not found" },
    });
    expect(daemon.sockets).toEqual([]);
  });

  test("the daemon is not asked for one that nobody has seen", async () => {
    const daemon = await FakeDaemon.start(alwaysOk);
    const node = await nodeWithGateway({ daemon });
    await node.send(hexOf(0));
    for (const path of ["/get_transactions", "/gettransactions"]) {
      const { body } = await node.post(path, { txs_hashes: [idOf(0).toUpperCase()] });
      expect(body).toMatchObject({ status: "OK", missed_tx: [idOf(0).toUpperCase()] });
    }
    expect(daemon.sockets).toEqual([]);
    await node.post("/get_transactions", { txs_hashes: [idOf(1), idOf(0)], prune: true });
    expect(JSON.parse(daemon.requests[0]?.body.toString() ?? "")).toEqual({
      txs_hashes: [idOf(1)],
      prune: true,
    });
  });
});

describe("a daemon that is not trusted", () => {
  const texts = { trusted: false };

  test("learns no key images, and is not worked on", async () => {
    const daemon = await FakeDaemon.start(alwaysOk);
    const node = await nodeWithGateway({ daemon, texts });
    for (const path of ["/is_key_image_spent", "/start_mining", "/save_bc"]) {
      const { status, body } = await node.post(path, { key_images: ["00"] });
      expect([path, status]).toEqual([path, 403]);
      expect(String(body["error"])).toContain("--trusted-daemon");
    }
    const { body } = await node.post("/json_rpc", { method: "get_coinbase_tx_sum" });
    expect(body).toMatchObject({ error: { message: expect.stringContaining("--trusted-daemon") } });
    expect(daemon.sockets).toEqual([]);
  });

  test("is asked for the rest", async () => {
    const daemon = await FakeDaemon.start(alwaysOk);
    const node = await nodeWithGateway({ daemon, texts });
    expect((await node.post("/json_rpc", { method: "get_fee_estimate" })).status).toBe(200);
    expect(await statusOf(node)).toMatchObject({ trusted: false, requests: 1, failures: 0 });
  });
});

describe("streams", () => {
  test("each wallet connection has one of its own, kept from request to request", async () => {
    const labels: string[] = [];
    const daemon = await FakeDaemon.start(alwaysOk);
    const node = await nodeWithGateway({ daemon });
    const request = "GET /get_info HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    const first = await node.socket();
    const second = await node.socket();
    for (const socket of [first, second, first, second]) {
      const before = daemon.requests.length;
      socket.write(request);
      while (daemon.requests.length === before) await Bun.sleep(1);
      labels.push(String(daemon.requests.at(-1)?.connection));
      await Bun.sleep(5);
    }
    expect(labels).toEqual(["0", "1", "0", "1"]);
    expect(await statusOf(node)).toMatchObject({ wallets: 2, requests: 4 });
    first.destroy();
    while (daemon.sockets[0]?.destroyed === false) await Bun.sleep(1);
    expect(daemon.sockets[1]?.destroyed).toBe(false);
  });

  test("a wallet's connection outlasts its pauses, which are of minutes", async () => {
    const node = await nodeWithGateway({ daemon: await FakeDaemon.start(alwaysOk) });
    const { head } = await node.raw("GET /get_info HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    expect(head).toMatch(/keep-alive: timeout=600/i);
  });

  test("requests sent ahead are answered in their order, one at a time", async () => {
    let underWay = 0;
    let most = 0;
    const daemon = await FakeDaemon.start(({ socket, line }) => {
      most = Math.max(most, ++underWay);
      setTimeout(() => {
        underWay--;
        socket.write(okAnswer({ line }));
      }, 10);
    });
    const node = await nodeWithGateway({ daemon });
    const socket = await node.socket();
    for (const path of ["/get_info", "/get_height", "/get_limit"]) {
      socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`);
    }
    let text = "";
    for await (const part of socket) {
      text += String(part);
      if (text.includes("/get_limit")) break;
    }
    expect(text.match(/GET \/\w+/g)).toEqual([
      "GET /get_info",
      "GET /get_height",
      "GET /get_limit",
    ]);
    expect(most).toBe(1);
  });

  test("one that the daemon has closed is replaced, and the wallet does not notice", async () => {
    const daemon = await FakeDaemon.start(alwaysOk);
    const node = await nodeWithGateway({ daemon });
    const socket = await node.socket();
    for (let time = 0; time < 3; time++) {
      socket.write("GET /get_info HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
      while (daemon.requests.length === time) await Bun.sleep(1);
      await Bun.sleep(5);
      daemon.sockets.at(-1)?.destroy();
    }
    expect(daemon.requests.map(({ connection }) => connection)).toEqual([0, 1, 2]);
    expect(await statusOf(node)).toMatchObject({ failures: 0, requests: 3 });
  });

  test("a request on a stream that breaks under it is sent once more, on another", async () => {
    const daemon = await FakeDaemon.start(({ socket, connection }) => {
      if (connection === 0 && daemon.requests.length === 2) socket.destroy();
      else socket.write(okAnswer({ connection }));
    });
    const node = await nodeWithGateway({ daemon });
    const socket = await node.socket();
    const request = "GET /get_info HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    socket.write(request);
    while (daemon.requests.length === 0) await Bun.sleep(1);
    await Bun.sleep(5);
    socket.write(request);
    while (daemon.requests.length < 3) await Bun.sleep(1);
    expect(daemon.requests.map(({ connection }) => connection)).toEqual([0, 0, 1]);
    const { body } = await answerOn(socket);
    expect(body).toEqual({ connection: 0 });
  });
});
