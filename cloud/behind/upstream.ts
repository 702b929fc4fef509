/** The EC2 (a LocalStack, as a rule) behind ours, over HTTP. */
import type { ClientRequest, IncomingMessage, RequestOptions } from 'node:http';
import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { Ec2Error } from '../emulator/ec2-error.ts';
import type { Element } from './xml.ts';
import { parseXml, textOf, XmlError } from './xml.ts';

const ANSWERS_WITHIN_MS = 60_000;
const LARGEST_ANSWER_BYTES = 256 * 1024 * 1024;

/** Whose request it is: what LocalStack tells regions and accounts by. */
export interface Signer {
  readonly region: string;
  readonly accessKeyId: string;
}

export interface UpstreamAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

/** Form parameters in their order; a name occurs once. */
export type Parameters = readonly (readonly [string, string])[];

/** What stands behind does not answer, or not as an EC2 does; the message names it. */
export class UpstreamError extends Ec2Error {
  constructor(message: string) {
    super('Unavailable', message, 503);
    this.name = 'UpstreamError';
  }
}

export class Upstream implements Disposable {
  readonly url: URL;
  readonly #agent: HttpAgent;
  readonly #secure: boolean;

  constructor(url: URL) {
    this.url = url;
    this.#secure = url.protocol === 'https:';
    this.#agent = this.#secure ? new HttpsAgent({ keepAlive: true }) : new HttpAgent({ keepAlive: true });
  }

  /** Opens a request; the caller writes its body. `headers` are sent in this order and spelling, and no others. */
  open(method: string, path: string, headers: readonly string[]): ClientRequest {
    const { hostname, port } = this.url;
    const options: RequestOptions = {
      method,
      path,
      headers: [...headers],
      hostname: hostname.replace(/^\[|\]$/g, ''),
      port: port === '' ? (this.#secure ? 443 : 80) : Number(port),
      agent: this.#agent,
      setHost: false,
    };
    return this.#secure ? httpsRequest(options) : httpRequest(options);
  }

  /** Sends a form and reads the whole answer. Rejects with `UpstreamError`. */
  send(parameters: Parameters, signer: Signer): Promise<UpstreamAnswer> {
    const body = parameters.map(([name, value]) => `${encode(name)}=${encode(value)}`).join('&');
    const headers = {
      Host: this.url.host,
      'Content-Type': 'application/x-www-form-urlencoded; charset=utf-8',
      'Content-Length': String(Buffer.byteLength(body)),
      Authorization: authorizationOf(signer),
    };
    const request = this.open('POST', '/', Object.entries(headers).flat());
    return new Promise<UpstreamAnswer>((resolve, reject) => {
      const fail = (error: Error): void =>
        reject(new UpstreamError(`${this.url.origin} does not answer: ${error.message}`));
      request.setTimeout(ANSWERS_WITHIN_MS, () =>
        request.destroy(new Error(`nothing came within ${ANSWERS_WITHIN_MS / 1000} s`)),
      );
      request.once('error', fail);
      request.once('response', (response) => void readAnswer(response).then(resolve, fail));
      request.end(body);
    });
  }

  /** Asks and reads the document; a refusal of the other EC2 is thrown as it worded it. */
  async ask(parameters: Parameters, signer: Signer): Promise<Element> {
    return documentOf(await this.send([...parameters, ['Version', '2016-11-15']], signer));
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }
}

/** The document of an answer. Throws the refusal that it holds as `Ec2Error`. */
export function documentOf({ status, body }: UpstreamAnswer): Element {
  let root: Element;
  try {
    root = parseXml(body);
  } catch (error) {
    if (!(error instanceof XmlError)) throw error;
    throw new UpstreamError(`the EC2 behind answered ${status} with what is no XML: ${error.message}`);
  }
  if (status === 200) return root;
  const code = textOf(root, 'Errors', 'Error', 'Code') ?? 'InternalError';
  throw new Ec2Error(code, textOf(root, 'Errors', 'Error', 'Message') ?? '', status);
}

/** LocalStack reads region and access key out of it and looks at nothing else. */
function authorizationOf({ region, accessKeyId }: Signer): string {
  const scope = `${accessKeyId}/${new Date().toISOString().slice(0, 10).replaceAll('-', '')}/${region}/ec2/aws4_request`;
  return `AWS4-HMAC-SHA256 Credential=${scope}, SignedHeaders=host, Signature=${'0'.repeat(64)}`;
}

function encode(text: string): string {
  return encodeURIComponent(text).replaceAll(/[!'()*]/g, (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`);
}

async function readAnswer(response: IncomingMessage): Promise<UpstreamAnswer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > LARGEST_ANSWER_BYTES) throw new Error(`its answer is larger than ${LARGEST_ANSWER_BYTES} bytes`);
    chunks.push(chunk);
  }
  return {
    status: response.statusCode ?? 0,
    contentType: response.headers['content-type'] ?? 'text/xml',
    body: Buffer.concat(chunks).toString('utf8'),
  };
}
