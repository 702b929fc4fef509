/** Subnets, security groups and tags are the other EC2's, but for what our interfaces mean to them. */
import type { Subnet, TagDescription } from '@aws-sdk/client-ec2';
import { encodeMembers } from '../emulator/ec2/encode.ts';
import type { InputOf } from '../emulator/ec2-actions.ts';
import type { Front } from './front.ts';
import { keepEntries, parametersOf, valueOf, without } from './parameters.ts';
import type { Parameters, UpstreamAnswer } from './upstream.ts';
import { documentOf } from './upstream.ts';
import type { Element } from './xml.ts';
import { DECLARATION, mapItems, replaceMembers, textOf, writeXml } from './xml.ts';

const FREE = 'available-ip-address-count';
const SUBNET_ELEMENTS: ReadonlySet<string> = new Set(['availableIpAddressCount', 'ipv6CidrBlockAssociationSet']);

export async function describeSubnets(
  front: Front,
  input: InputOf<'DescribeSubnets'>,
  parameters: Parameters,
): Promise<UpstreamAnswer> {
  const theirs = keepEntries(parameters, 'Filter', (entry) => valueOf(entry, 'Name') !== FREE).kept;
  const answer = await front.upstream.send(theirs, front.signer);
  if (answer.status !== 200) return answer;
  const root = documentOf(answer);
  const { known, fitting } = subnetsOf(front, input);
  const shown = mapItems(root, 'subnetSet', (item) => {
    const subnet = known.get(textOf(item, 'subnetId') ?? '');
    if (subnet === undefined) return item;
    if (fitting?.has(subnet.SubnetId ?? '') === false) return undefined;
    return mergedSubnet(item, subnet);
  });
  return { ...answer, contentType: 'text/xml;charset=UTF-8', body: DECLARATION + writeXml(shown) };
}

function mergedSubnet(item: Element, { AvailableIpAddressCount, Ipv6CidrBlockAssociationSet }: Subnet): Element {
  const members = encodeMembers('Subnet', { AvailableIpAddressCount });
  // What LocalStack leaves out is the state of the association. A block that is none of ours stays as it is.
  if ((Ipv6CidrBlockAssociationSet ?? []).length === 0)
    return replaceMembers(item, new Set(['availableIpAddressCount']), members);
  const blocks = encodeMembers('Subnet', { Ipv6CidrBlockAssociationSet });
  return replaceMembers(item, SUBNET_ELEMENTS, members + blocks);
}

/** All subnets as we know them, and the ids of those that our filters let through. */
function subnetsOf(front: Front, input: InputOf<'DescribeSubnets'>) {
  const all = (Filters: InputOf<'DescribeSubnets'>['Filters']): readonly Subnet[] => {
    const found: Subnet[] = [];
    let NextToken: string | undefined;
    do {
      const request = { ...(Filters !== undefined && { Filters }), ...(NextToken !== undefined && { NextToken }) };
      const page = front.region.execute('DescribeSubnets', request);
      found.push(...(page.Subnets ?? []));
      NextToken = page.NextToken;
    } while (NextToken !== undefined);
    return found;
  };
  const ours = (input.Filters ?? []).filter(({ Name }) => Name === FREE);
  const fitting = ours.length === 0 ? undefined : new Set(all(ours).map(({ SubnetId }) => SubnetId ?? ''));
  return { known: new Map(all(undefined).map((subnet) => [subnet.SubnetId ?? '', subnet])), fitting };
}

/** Refused by our rules while our interfaces need it; what the other EC2 then removes is gone for us, too. */
export async function deleteSubnet(
  front: Front,
  input: InputOf<'DeleteSubnet'>,
  parameters: Parameters,
): Promise<UpstreamAnswer> {
  if (front.region.state.subnets.has(input.SubnetId ?? '')) front.region.preview('DeleteSubnet', input);
  const answer = await front.upstream.send(parameters, front.signer);
  if (answer.status === 200 && front.region.state.subnets.has(input.SubnetId ?? '')) {
    front.region.execute('DeleteSubnet', input);
  }
  return answer;
}

export async function deleteSecurityGroup(
  front: Front,
  input: InputOf<'DeleteSecurityGroup'>,
  parameters: Parameters,
): Promise<UpstreamAnswer> {
  const { GroupId, GroupName } = input;
  const groups = front.region.state.securityGroups;
  const byName = groups.values().filter(({ name }) => GroupId === undefined && name === GroupName);
  const id = GroupId ?? (byName.length === 1 ? byName[0]?.id : undefined);
  const request = id !== undefined && groups.has(id) ? { ...input, GroupId: id } : undefined;
  if (request !== undefined) front.region.preview('DeleteSecurityGroup', request);
  const answer = await front.upstream.send(parameters, front.signer);
  if (answer.status === 200 && request !== undefined) front.region.execute('DeleteSecurityGroup', request);
  return answer;
}

/** Ids of what the other EC2 does not have. */
const isOurs = (id: string): boolean => /^(eni|scr)-/.test(id);

/** Undefined where all that is named is ours, and done. */
export async function changeTags(
  front: Front,
  action: 'CreateTags' | 'DeleteTags',
  input: InputOf<'CreateTags'>,
  parameters: Parameters,
): Promise<UpstreamAnswer | undefined> {
  const ours = (input.Resources ?? []).filter(isOurs);
  if (ours.length === 0) return front.upstream.send(parameters, front.signer);
  const request = { ...input, Resources: ours };
  front.region.preview(action, request);
  const theirs = keepEntries(parameters, 'ResourceId', (entry) => !isOurs(valueOf(entry, '') ?? ''));
  const answer = theirs.some ? await front.upstream.send(theirs.kept, front.signer) : undefined;
  if (answer === undefined || answer.status === 200) front.region.execute(action, request);
  return answer;
}

/** Pages of ours come behind all pages of the other; their tokens begin so. */
const OUR_PAGE = 'wellspring-';

export async function describeTags(
  front: Front,
  input: InputOf<'DescribeTags'>,
  parameters: Parameters,
): Promise<UpstreamAnswer> {
  const ourToken = input.NextToken?.startsWith(OUR_PAGE) === true ? input.NextToken.slice(OUR_PAGE.length) : undefined;
  const answer = await front.upstream.send(
    ourToken === undefined ? parameters : beyondTheirs(parameters),
    front.signer,
  );
  if (answer.status !== 200) return answer;
  const root = documentOf(answer);
  const theirs = ourToken === undefined ? root : mapItems(root, 'tagSet', () => undefined);
  const more = ourToken === undefined && textOf(root, 'nextToken') !== undefined;
  if (more) return answer;
  const paged = input.MaxResults !== undefined;
  // With pages, ours begin on one of their own.
  const ours = paged && ourToken === undefined ? undefined : ourTags(front, input, ourToken);
  const token = ours === undefined ? firstOwnPage(front, input) : ours.token;
  const xml = (ours?.tags ?? []).map((Tag) => `<item>${encodeMembers('TagDescription', Tag)}</item>`).join('');
  const listed = {
    ...theirs,
    children: theirs.children.map((child) =>
      child.name === 'tagSet' ? { ...child, raw: child.children.map(writeXml).join('') + xml } : child,
    ),
  };
  const closed = replaceMembers(
    listed,
    new Set(['nextToken']),
    token === undefined ? '' : `<nextToken>${OUR_PAGE}${token}</nextToken>`,
  );
  return { ...answer, contentType: 'text/xml;charset=UTF-8', body: DECLARATION + writeXml(closed) };
}

/** A request that finds nothing, for the frame of an answer whose content is ours. */
function beyondTheirs(parameters: Parameters): Parameters {
  const rest = without(parameters, ['NextToken', 'MaxResults', 'Filter']);
  return [...rest, ...parametersOf('Filter.1.Name=resource-id&Filter.1.Value.1=eni-00000000')];
}

interface OwnTags {
  readonly tags: readonly TagDescription[];
  readonly token: string | undefined;
}

function ourTags(front: Front, input: InputOf<'DescribeTags'>, token: string | undefined): OwnTags {
  const { NextToken: _, ...asked } = input;
  const NextToken = token === undefined || token === '' ? undefined : token;
  const ids = { Name: 'resource-id', Values: ['eni-*', 'scr-*'] };
  const request = { ...asked, Filters: [...(input.Filters ?? []), ids] };
  const page = front.region.execute('DescribeTags', { ...request, ...(NextToken !== undefined && { NextToken }) });
  return { tags: page.Tags ?? [], token: page.NextToken };
}

/** The token of the first page of ours; undefined where nothing of ours fits. */
function firstOwnPage(front: Front, input: InputOf<'DescribeTags'>): string | undefined {
  return ourTags(front, input, undefined).tags.length > 0 ? '' : undefined;
}
