/** Requests that are served in the background. */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';

/** `arrivedAt` is of performance.now(). */
type Serve = (request: IncomingMessage, response: ServerResponse, arrivedAt: number) => Promise<void>;

/** Whoever asked for what cannot be served loses the connection, and `onBug` is told: no request should be able to cause that. */
export function requestListener(serve: Serve, onBug: (error: unknown) => void): RequestListener {
  return (request, response) => {
    serve(request, response, performance.now()).catch((error: unknown) => {
      onBug(error);
      request.socket.destroy();
    });
  };
}
