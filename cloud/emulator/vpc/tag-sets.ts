import type { Tag, TagSpecification } from '@aws-sdk/client-ec2';
import type { Tags } from '#cloud/provider.ts';
import { Ec2Error } from '../ec2-error.ts';
import { required } from './parameters.ts';

const MOST_TAGS = 50;
const LONGEST_KEY = 128;
const LONGEST_VALUE = 256;

/** Tags as EC2 answers them. */
export function tagSetOf(tags: Tags): Tag[] {
  return Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));
}

/** `tags` with `added` over them, within EC2's bounds for keys, values and their number. */
export function withTags(tags: Tags, added: readonly Tag[]): Tags {
  const merged: Record<string, string> = { ...tags };
  const seen = new Set<string>();
  for (const tag of added) {
    const key = required(tag.Key, 'Tag.Key');
    if (seen.has(key)) throw new Ec2Error('InvalidParameterValue', `Duplicate tag key '${key}' specified.`);
    seen.add(key);
    const value = tag.Value ?? '';
    if (key.startsWith('aws:')) {
      throw new Ec2Error(
        'InvalidParameterValue',
        `Tag keys starting with 'aws:' are reserved for internal use: '${key}'`,
      );
    }
    if (key.length > LONGEST_KEY) throw tooLong('key', key, LONGEST_KEY);
    if (value.length > LONGEST_VALUE) throw tooLong('value', value, LONGEST_VALUE);
    merged[key] = value;
  }
  if (Object.keys(merged).length > MOST_TAGS) {
    throw new Ec2Error('TagLimitExceeded', `More than ${MOST_TAGS} tags specified`);
  }
  return merged;
}

/**
 * The tags that a request gives to what it creates of one type. A specification for a type that is not in `allowed` is
 * refused, as EC2 does.
 */
export function tagsFor(
  specifications: readonly TagSpecification[] | undefined,
  resourceType: string,
  allowed: readonly string[] = [resourceType],
): Tags {
  let tags: Tags = {};
  for (const specification of specifications ?? []) {
    const type = required(specification.ResourceType, 'TagSpecification.ResourceType');
    if (!allowed.includes(type)) {
      throw new Ec2Error(
        'InvalidParameterValue',
        `'${type}' is not a valid taggable resource type for this operation.`,
      );
    }
    if (type === resourceType) tags = withTags(tags, specification.Tags ?? []);
  }
  return tags;
}

function tooLong(part: string, text: string, longest: number): Ec2Error {
  return new Ec2Error(
    'InvalidParameterValue',
    `Tag ${part} exceeds the maximum length of ${longest}: '${text.slice(0, 16)}...'`,
  );
}
