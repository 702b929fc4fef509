/** `wellspring-cloud up`: serves until a signal, or until somebody asks it to end. */
import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import type { Names } from '../api/contract.ts';
import type { Cloud, CloudOptions, ListenAddress } from '../cloud.ts';
import { startCloud } from '../cloud.ts';
import type { UpCommand } from '../command-line.ts';
import { DescriptionError, parseDescription, parseYaml, type ParsedDescription } from '../description/parse.ts';
import { behindUrl, furnish } from '../furnish.ts';
import { EC2_ENDPOINT_ADDRESS, METADATA_ADDRESS } from '../fabric/state.ts';
import { layFabric, NODE_EC2_PORT } from './links.ts';

interface Ready {
  readonly endpoint: string;
  readonly metadataEndpoint: string | undefined;
  readonly region: string;
  readonly pid: number;
  readonly names: Names;
  readonly namespaces?: Readonly<Record<string, string>>;
}

/** The description of a file. Rejects with a `DescriptionError`. */
export async function readDescription(file: string | undefined): Promise<ParsedDescription> {
  if (file === undefined) return parseDescription({});
  let content: string;
  try {
    content = file === '-' ? await text(process.stdin) : await readFile(file, 'utf8');
  } catch (error) {
    throw new DescriptionError(`cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
  return parseYaml(content);
}

/** Everything is closed and removed before it resolves. */
export async function up(
  command: UpCommand,
  description: ParsedDescription,
  listen: ListenAddress,
  stopped: AbortSignal,
): Promise<void> {
  const ended = new AbortController();
  let names: Names = { vpcs: {}, subnets: {}, securityGroups: {}, nodes: {} };
  await using stack = new AsyncDisposableStack();
  const cloud = stack.use(
    await startCloud({
      ...optionsOf(command, description),
      listen,
      names: () => names,
      onDown: () => ended.abort(),
    }),
  );
  names = await furnish(cloud, description, command.behind !== undefined);
  const namespaces =
    command.fabric === undefined ? undefined : await layFabric(stack, cloud, { prefix: command.fabric, names });
  announce(command, cloud, {
    endpoint: cloud.endpoint,
    metadataEndpoint: cloud.metadataEndpoint,
    region: cloud.region.name,
    pid: process.pid,
    names,
    ...(namespaces !== undefined && { namespaces }),
  });
  await fired(AbortSignal.any([stopped, ended.signal]));
}

function optionsOf(command: UpCommand, description: ParsedDescription): CloudOptions {
  const region = command.region ?? description.region;
  const seed = command.seed ?? description.seed;
  const everywhere = '0.0.0.0';
  return {
    ...(region !== undefined && { region }),
    ...(seed !== undefined && { seed }),
    ...(command.behind !== undefined && { behind: behindUrl(command.behind) }),
    ...(command.socketPath !== undefined && { socketPath: command.socketPath }),
    ...(command.metadata !== undefined && { metadata: command.metadata }),
    // In the VPC router, which nobody but the nodes reaches.
    ...(command.fabric !== undefined && {
      metadata: { host: everywhere, port: 80 },
      alsoListen: [{ host: everywhere, port: NODE_EC2_PORT }],
    }),
  };
}

function announce({ json, fabric, behind }: UpCommand, cloud: Cloud, ready: Ready): void {
  if (json) {
    process.stdout.write(`${JSON.stringify(ready)}\n`);
    return;
  }
  const { endpoint, metadataEndpoint, region, names, namespaces = {} } = ready;
  const held =
    behind === undefined ? (cloud.region.vpcs().length === 0 ? 'empty' : 'as described') : `in front of ${behind}`;
  process.stdout.write(`EC2 is served at ${endpoint} (region ${region}, ${held})\n`);
  const nodes = Object.entries(names.nodes).map(([name, id]) => `  ${name} is ${id}${inNamespace(namespaces[name])}`);
  const hints = [
    ...nodes,
    'Point any SDK or the AWS CLI at it:',
    `  export AWS_ENDPOINT_URL_EC2=${endpoint} AWS_REGION=${region} AWS_DEFAULT_REGION=${region}`,
    '  export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test',
    ...(fabric !== undefined
      ? [
          `In a node: AWS_ENDPOINT_URL_EC2=http://${EC2_ENDPOINT_ADDRESS}:${NODE_EC2_PORT}; metadata at http://${METADATA_ADDRESS}`,
        ]
      : metadataEndpoint === undefined
        ? []
        : ['Instance metadata:', `  export AWS_EC2_METADATA_SERVICE_ENDPOINT=${metadataEndpoint}`]),
    `Faults and the call log: ${endpoint}/_wellspring/{faults,switches,calls,changes,state,health}. Ctrl-C ends it.`,
  ];
  process.stderr.write(`${hints.join('\n')}\n`);
}

function inNamespace(namespace: string | undefined): string {
  return namespace === undefined ? '' : `, in the network namespace ${namespace} (ip netns exec ${namespace} ...)`;
}

function fired(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
