import { readFileSync } from "node:fs";
import { connect } from "node:net";
import type { PrivateTorClient } from "../../lib/devnet/tor-client.ts";

/**
 * Has tor take hosts for another (MAPADDRESS), before it asks anybody.
 *
 * @param client whose tor
 * @param hosts addresses and names
 * @param target what they are taken for; this machine, unless it is only looked up
 */
export async function mapAddresses(
  client: PrivateTorClient,
  hosts: readonly string[],
  target = "127.0.0.1",
): Promise<void> {
  const cookie = readFileSync(client.cookieFile).toString("hex");
  const pairs = hosts.map((one) => `${one}=${target}`).join(" ");
  const socket = connect(client.controlPort, "127.0.0.1");
  socket.write(`AUTHENTICATE ${cookie}\r\nMAPADDRESS ${pairs}\r\nQUIT\r\n`);
  let said = "";
  for await (const part of socket) said += String(part);
  const taken = said.split("\r\n").filter((line) => line.endsWith(`=${target}`));
  if (taken.length !== hosts.length) throw new Error(`tor says ${said}`);
}
