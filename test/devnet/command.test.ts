import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { ownCommand } from "../../cli/devnet-detach.ts";
import { devnetDocument } from "../../lib/devnet/document.ts";
import { CommandPlace } from "./command.ts";
import { leftOver } from "./gone.ts";

let place: CommandPlace;

beforeEach(() => {
  place = new CommandPlace();
});

afterEach(async () => {
  await place.close();
});

const SIMULATED = ["up", "--simulated", "--monerod", "0"];

describe("anonctl devnet up", () => {
  test("prints where everything is, and SIGINT leaves nothing", async () => {
    const up = place.start([...SIMULATED, "--json"]);
    const document = devnetDocument.parse(JSON.parse(await up.firstLine));
    expect(document.label).toStartWith("simulated:");
    expect(document.nodeCommands).toHaveLength(2);
    const [peer = "", node = ""] = document.nodeCommands;
    expect(peer).toStartWith(
      `anonctl node --regtest --anonymous-inbound ${document.inbound.onion},`,
    );
    expect(node).toContain(`--tx-proxy tor,${document.socks} `);
    expect(node).toContain(`--add-exclusive-node ${document.inbound.onion} `);
    expect(place.left()).toHaveLength(2);
    up.process.kill("SIGINT");
    expect(await up.ended).toMatchObject({ code: 130, stderr: "devnet: taking it down\n" });
    expect(place.left()).toEqual([]);
  });

  test("tells people what to type, and SIGTERM ends it well", async () => {
    const up = place.start([...SIMULATED, "--delay", "5", "--jitter", "2", "--drop-rate", "0.1"]);
    expect(await up.firstLine).toBe(
      'Network "default" is up; simulated: the onion network is a SOCKS server in one process and hides nothing.',
    );
    up.process.kill("SIGTERM");
    const { code, stdout } = await up.ended;
    expect(code).toBe(0);
    expect(stdout).toContain(
      "\nStart one that dials it:\n  anonctl node --regtest --tx-proxy tor,",
    );
    expect(stdout).toContain("/send_raw_transaction -d @");
  });

  test("leaves nothing when it is killed", async () => {
    const up = place.start([...SIMULATED, "--json"]);
    await up.firstLine;
    const paths = place.left();
    expect(paths).toHaveLength(2);
    up.process.kill("SIGKILL");
    await up.ended;
    expect(await leftOver([], paths)).toEqual([]);
    expect((await place.run(["status"])).code).toBe(1);
    expect(place.left()).toEqual([]);
  });

  test("takes a name once", async () => {
    const up = place.start([...SIMULATED, "--json"]);
    await up.firstLine;
    const second = await place.run(SIMULATED);
    expect(second).toMatchObject({ code: 2, stdout: "" });
    expect(second.stderr).toContain('"default" is up already');
    const other = place.start([...SIMULATED, "--name", "other", "--json"]);
    await other.firstLine;
    const status = JSON.parse((await place.run(["status", "--json"])).stdout);
    expect(status.schema).toBe("anonctl.devnet-status.v1");
    expect(status.devnets.map(({ name }: { name: string }) => name).sort()).toEqual([
      "default",
      "other",
    ]);
    expect((await place.run(["down", "--all", "--json"])).stdout).toContain("default");
    expect(await Promise.all([up.ended, other.ended])).toMatchObject([{ code: 0 }, { code: 0 }]);
  });

  test("in the background stays until it is taken down", async () => {
    const up = await place.run([...SIMULATED, "--detach", "--json"]);
    expect(up.code).toBe(0);
    const document = devnetDocument.parse(JSON.parse(up.stdout));
    const status = await place.run(["status"]);
    expect(status).toMatchObject({ code: 0 });
    expect(status.stdout).toContain(document.socks);
    expect(await place.run(["down"])).toMatchObject({ code: 0, stdout: "Taken down: default.\n" });
    expect(await leftOver([document.pid], [document.directory])).toEqual([]);
    expect(place.left()).toEqual([]);
    expect(await place.run(["down"])).toMatchObject({ code: 0, stdout: "No network was up.\n" });
    expect(await place.run(["status"])).toMatchObject({ code: 1 });
  });

  test("names what is missing on this machine", async () => {
    const ending = await place.run(["up", "--tor", "--monerod", "1"], { PATH: "/nowhere" });
    expect(ending).toMatchObject({ code: 3, stdout: "" });
    expect(ending.stderr).toContain("apt-get install tor monero");
    expect(place.left()).toEqual([]);
    const detached = await place.run(["up", "--tor", "--detach"], { PATH: "/nowhere" });
    expect(detached.code).toBe(3);
  });

  test("refuses options that make no sense", async () => {
    const wrong = [
      ["up", "--tor", "--simulated"],
      ["up", "--monerod", "9"],
      ["up", "--monerod", "one"],
      ["up", "--delay", "-1"],
      ["up", "--tor", "--delay", "5"],
      ["up", "--simulated", "--name", "No Name"],
      ["up", "extra"],
      ["sideways"],
    ];
    const endings = await Promise.all(wrong.map((words) => place.run(words)));
    for (const { code, stdout, stderr } of endings) {
      expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
      expect(stderr).not.toBe("");
    }
  });

  test("has help with examples", async () => {
    for (const command of ["up", "status", "down"]) {
      const { code, stdout } = await place.run([command, "--help"]);
      expect(code).toBe(0);
      expect(stdout).toMatch(/Examples?:\n/);
    }
  });
});

test("a compiled program starts itself, a script its runtime", () => {
  expect(ownCommand(["bun", "/$bunfs/root/anonctl", "devnet"], "/usr/bin/anonctl")).toEqual([
    "/usr/bin/anonctl",
  ]);
  expect(ownCommand(["bun", "/a/cli/main.ts", "devnet"], "/usr/bin/bun")).toEqual([
    "/usr/bin/bun",
    "/a/cli/main.ts",
  ]);
});
