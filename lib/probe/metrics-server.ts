import { createServer, type Server } from "node:http";
import { ProbeError } from "./error.ts";

/** Connections at a time: Prometheus makes one. */
const CONNECTIONS_MAX = 16;
/** How long a request may take to be whole. */
const REQUEST_MS_MAX = 10_000;
const CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** Answers Prometheus on a port of this machine. */
export class MetricsServer {
  readonly #server: Server;
  /** The port on 127.0.0.1. */
  readonly port: number;

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.port = port;
  }

  /**
   * Listens on 127.0.0.1; elsewhere, what is probed would be everybody's to read.
   *
   * @param port 0 for one that is free
   * @param text gives the metrics as they are now
   * @throws ProbeError `output-failed` when the port can't be had
   */
  static listen(port: number, text: () => string): Promise<MetricsServer> {
    const server = createServer((request, response) => {
      const isMetrics = request.url === "/metrics" || request.url === "/";
      response.writeHead(isMetrics ? 200 : 404, { "content-type": CONTENT_TYPE });
      response.end(isMetrics ? text() : "Metrics are at /metrics.\n");
    });
    server.maxConnections = CONNECTIONS_MAX;
    server.requestTimeout = REQUEST_MS_MAX;
    return new Promise((resolve, reject) => {
      server.once("error", (cause) => {
        const words = `--prometheus can't listen on 127.0.0.1:${port} (${cause.message}); choose another port.`;
        reject(new ProbeError("output-failed", words, { cause }));
      });
      server.listen(port, "127.0.0.1", () => {
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
