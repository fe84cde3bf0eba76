import { createServer, type IncomingMessage, type Server } from "node:http";
import { refusalOf } from "../address/own-machine.ts";
import { ProbeError } from "./error.ts";

/** Where metrics are answered, and which option says so. */
export interface MetricsPlace {
  /** An IP address. */
  readonly host: string;
  readonly option: string;
}

/** Connections at a time: Prometheus makes one. */
const CONNECTIONS_MAX = 16;
/** How long a request may take to be whole. */
const REQUEST_MS_MAX = 10_000;
const CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";
const HERE: MetricsPlace = { host: "127.0.0.1", option: "--prometheus" };

/** Answers Prometheus on a port of this machine. */
export class MetricsServer {
  readonly #server: Server;
  /** The port that is listened on. */
  readonly port: number;

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.port = port;
  }

  /**
   * Listens, on 127.0.0.1 unless told otherwise: elsewhere, what is measured would be everybody's
   * to read. A web page in the user's browser is refused.
   *
   * @param port 0 for one that is free
   * @param text gives the metrics as they are now
   * @param place where else, and the option's name for messages
   * @throws ProbeError `output-failed` when the port can't be had
   */
  static listen(
    port: number,
    text: () => string,
    { host, option }: MetricsPlace = HERE,
  ): Promise<MetricsServer> {
    const server = createServer((request, response) => {
      const { code, body } = answerTo(request, host, text);
      response.writeHead(code, { "content-type": CONTENT_TYPE });
      response.end(body);
    });
    server.maxConnections = CONNECTIONS_MAX;
    server.requestTimeout = REQUEST_MS_MAX;
    return new Promise((resolve, reject) => {
      server.once("error", (cause) => {
        const words = `${option} can't listen on ${host}:${port} (${cause.message}); choose another port.`;
        reject(new ProbeError("output-failed", words, { cause }));
      });
      server.listen(port, host, () => {
        const address = server.address();
        const taken = typeof address === "object" && address !== null ? address.port : port;
        resolve(new MetricsServer(server, taken));
      });
    });
  }

  /** Stops, ending what is being answered. */
  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

function answerTo(
  request: IncomingMessage,
  host: string,
  text: () => string,
): { readonly code: number; readonly body: string } {
  const refusal = refusalOf(request.headers, host);
  if (refusal !== undefined) return { code: 403, body: `${refusal}\n` };
  if (request.url !== "/metrics" && request.url !== "/") {
    return { code: 404, body: "Metrics are at /metrics.\n" };
  }
  try {
    return { code: 200, body: text() };
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    return { code: 500, body: `A bug in anonctl: ${words}\n` };
  }
}
