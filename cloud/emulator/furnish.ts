/** Makes what a description says in a cloud that runs. */
import { askEc2 } from '../behind/ask.ts';
import { Upstream } from '../behind/upstream.ts';
import type { Names } from './api/contract.ts';
import type { Cloud } from './cloud.ts';
import type { Ask } from './description/build.ts';
import { build } from './description/build.ts';
import { DescriptionError } from './description/fields.ts';
import type { ParsedDescription } from './description/parse.ts';

/** The URL of an EC2 endpoint. Throws `DescriptionError`. */
export function behindUrl(text: string | URL): URL {
  const url = URL.canParse(String(text)) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.pathname !== '/') {
    throw new DescriptionError(
      `behind takes the URL of an EC2 endpoint such as http://127.0.0.1:4566, not ${String(text)}`,
    );
  }
  return url;
}

/** Makes what is described, then switches on what is described: the making meets no fault. */
export async function furnish(cloud: Cloud, parsed: ParsedDescription, isBehind: boolean): Promise<Names> {
  using upstream = new Upstream(new URL(cloud.endpoint));
  const signer = { region: cloud.region.name, accessKeyId: 'test' };
  const ask: Ask = isBehind
    ? (action, input) => askEc2(upstream, signer, action, input)
    : (action, input) => Promise.resolve().then(() => cloud.region.execute(action, input));
  const names = await build(ask, parsed.vpcs, cloud.region.name);
  cloud.set(parsed.switches);
  for (const { action, ...fault } of parsed.faults) cloud.failNext(action as 'CreateVpc', fault);
  return names;
}
