import type { ControlAuthentication, ProtocolInfo } from "./authentication.ts";
import type { ControlConnection } from "./control-connection.ts";
import { readCookieFile } from "./cookie-file.ts";
import { TorError } from "./error.ts";

/**
 * Lets a connection to tor's control port be taken for its owner's.
 *
 * @param connection a new connection
 * @param authentication what can be shown
 * @returns what tor says about itself
 * @throws TorError as `ControlClient.connect`
 */
export async function showWhoWeAre(
  connection: ControlConnection,
  authentication: ControlAuthentication,
): Promise<ProtocolInfo> {
  let name = "PROTOCOLINFO";
  let reply = await connection.send(authentication.start(), name);
  for (;;) {
    let step = authentication.receive(reply);
    if (step.kind === "cookie") step = authentication.cookie(await readCookieFile(step.path));
    if (step.kind === "done") return step.protocol;
    if (step.kind === "cookie") throw new TorError("cookie-wrong", "Tor's cookie was not taken.");
    name = name === "PROTOCOLINFO" ? "AUTHCHALLENGE or AUTHENTICATE" : "AUTHENTICATE";
    reply = await connection.send(step.command, name);
  }
}
