import { expect, test } from "bun:test";
import { holdPort, pickPorts, portIsFree, returnPorts } from "../../lib/devnet/ports.ts";
import { findProgram, requirePrograms } from "../../lib/process/program.ts";

test("ports are free, different, and given out once", async () => {
  const ports = (await Promise.all([pickPorts(20), pickPorts(20), pickPorts(20)])).flat();
  expect(new Set(ports).size).toBe(60);
  for (const port of ports) expect(port).toBeWithin(20_000, 32_000);
  returnPorts(ports);
});

test("a held port is not free until it is let go", async () => {
  const [port = 0] = await pickPorts(1);
  const server = await holdPort(port);
  expect(await portIsFree(port)).toBe(false);
  expect(await holdPort(port)).toBeUndefined();
  await new Promise((resolve) => server?.close(resolve));
  expect(await portIsFree(port)).toBe(true);
  returnPorts([port]);
});

test("a missing program is named with the way to install it", async () => {
  expect(await findProgram("sh", "/nowhere:/bin")).toBe("/bin/sh");
  expect(await findProgram("sh", "/nowhere")).toBeUndefined();
  await expect(requirePrograms(["tor", "sh"], "/bin/nowhere")).rejects.toMatchObject({
    code: "program-missing",
    where: "local",
    message: expect.stringMatching(/Not on this machine: tor, sh.*apt-get install tor monero/),
  });
});
