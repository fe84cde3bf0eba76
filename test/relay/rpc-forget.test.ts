import { afterEach, describe, expect, test } from "bun:test";
import { realClock } from "../../lib/runtime/clock.ts";
import { endNodes, RpcNode } from "./rpc-node.ts";
import { blobOf, doubleSpendOf, hexOf, idOf } from "./transactions.ts";

afterEach(endNodes);

describe("/forget", () => {
  test("lets go of a wallet's transaction, in the store too, and says how far it had come", async () => {
    const node = await RpcNode.start();
    await node.send(hexOf(0));
    await node.send(hexOf(1));
    const { status, body } = await node.post("/forget", { id: idOf(0) });
    expect(status).toBe(200);
    expect(body).toEqual({
      ...{ schema: "anonctl.node.forget.v1", id: idOf(0), forgotten: true, sends: 0 },
      still_leaves: false,
      reason: "The transaction is forgotten. It had not left this node.",
    });
    expect([...node.core.pool.local].map(({ id }) => id)).toEqual([idOf(1)]);
    const kept = node.store.transactions(realClock.unixMs());
    expect(kept.map(({ blob }) => blob)).toEqual([blobOf(1)]);
  });

  test("makes room for the one that spends the same, and for itself again", async () => {
    const node = await RpcNode.start();
    await node.send(hexOf(0));
    const other = Buffer.from(doubleSpendOf(0)).toString("hex");
    expect((await node.send(other)).body).toMatchObject({ status: "Failed", double_spend: true });
    await node.post("/forget", { id: idOf(0) });
    expect((await node.send(other)).body).toMatchObject({ status: "OK" });
    expect((await node.send(hexOf(0))).body).toMatchObject({ double_spend: true });
  });

  test("tells of how often one had left, and of one that stands on a channel", async () => {
    const node = await RpcNode.start();
    for (const index of [0, 1, 2]) await node.send(hexOf(index));
    const held = [0, 1, 2].map((index) => node.core.pool.get(idOf(index)));
    const [first, second, third] = held;
    if (first === undefined || second === undefined || third === undefined)
      throw new Error("A transaction is missing.");
    first.sends = 1;
    second.sends = 3;
    third.underway = { zone: "tor", waiting: 1, left: 0, isCounted: false };
    const forget = async (index: number): Promise<unknown> =>
      (await node.post("/forget", { id: idOf(index) })).body;
    const answer = (leaves: boolean, words: string) => ({
      ...{ forgotten: true, still_leaves: leaves, reason: expect.stringContaining(words) },
    });
    expect(await forget(0)).toMatchObject(answer(false, "It had left once: whoever has it"));
    expect(await forget(1)).toMatchObject(answer(false, "It had left 3 times"));
    expect(await forget(2)).toMatchObject(answer(true, "still leaves there this once"));
  });

  test("changes nothing where there is no such transaction", async () => {
    const node = await RpcNode.start();
    await node.send(hexOf(0));
    const { status, body } = await node.post("/forget", { id: idOf(1) });
    expect(status).toBe(200);
    expect(body).toMatchObject({ id: idOf(1), forgotten: false, sends: null });
    expect(String(body["reason"])).toContain("anonctl node status");
    expect([...node.core.pool.local]).toHaveLength(1);
  });

  test.each<[unknown, number]>([
    [{}, 400],
    [{ id: 5 }, 400],
    [{ id: "ab" }, 400],
    [{ id: idOf(0).toUpperCase() }, 400],
    [{ id: `${idOf(0)}00` }, 400],
    ["no JSON", 400],
    ["[]", 400],
  ])("refuses %j", async (body, code) => {
    const node = await RpcNode.start();
    await node.send(hexOf(0));
    const answer = await node.post("/forget", body);
    expect([answer.status, answer.body["status"]]).toEqual([code, "Failed"]);
    expect([...node.core.pool.local]).toHaveLength(1);
  });

  test("is a POST, from a program and not from a page that a browser shows", async () => {
    const node = await RpcNode.start();
    await node.send(hexOf(0));
    expect((await node.get("/forget")).status).toBe(405);
    const body = JSON.stringify({ id: idOf(0) });
    const ask = async (headers: string): Promise<number> => {
      const head = `POST /forget HTTP/1.1\r\n${headers}\r\nContent-Length: ${body.length}\r\n\r\n`;
      return (await node.raw(head + body)).status;
    };
    const here = `Host: 127.0.0.1:${node.rpc.port}`;
    expect(await ask("Host: pages.example")).toBe(403);
    expect(await ask(`${here}\r\nOrigin: http://pages.example`)).toBe(403);
    expect([...node.core.pool.local]).toHaveLength(1);
    expect(await ask(here)).toBe(200);
    expect([...node.core.pool.local]).toHaveLength(0);
  });
});
