import type { AvailabilityZone, Region } from '@aws-sdk/client-ec2';
import type { Context } from './context.ts';
import type { FilterTable } from './filters.ts';
import { applyFilters } from './filters.ts';
import { Ec2Error } from '../ec2-error.ts';
import { invalidValue } from './parameters.ts';
import type { Query } from './transition.ts';

const COMPASS: Readonly<Record<string, string>> = {
  northeast: 'ne',
  northwest: 'nw',
  southeast: 'se',
  southwest: 'sw',
};

/** The zones of a region, `<region>a` to `<region>c` unless told otherwise. */
export function zonesOf(region: string, letters: readonly string[] = ['a', 'b', 'c']): readonly string[] {
  return letters.map((letter) => `${region}${letter}`);
}

/** The zone id of a zone name: `us-west-2b` is `usw2-az2`. */
export function zoneIdOf(zone: string): string {
  const parts = zone.slice(0, -1).split('-');
  const short = parts.map((part, index) => (index === 0 ? part : (COMPASS[part] ?? part.slice(0, 1)))).join('');
  return `${short}-az${zone.charCodeAt(zone.length - 1) - 'a'.charCodeAt(0) + 1}`;
}

export const describeAvailabilityZones: Query<'DescribeAvailabilityZones'> = (_state, input, context) => {
  const names = input.ZoneNames ?? [];
  const ids = input.ZoneIds ?? [];
  const unknown = names.find((name) => !context.zones.includes(name));
  if (unknown !== undefined)
    throw invalidValue('ZoneName', unknown, 'There is no such availability zone in this region.');
  const unknownId = ids.find((id) => !context.zones.some((zone) => zoneIdOf(zone) === id));
  if (unknownId !== undefined)
    throw invalidValue('ZoneId', unknownId, 'There is no such availability zone in this region.');
  const chosen = context.zones.filter(
    (zone) => (names.length === 0 || names.includes(zone)) && (ids.length === 0 || ids.includes(zoneIdOf(zone))),
  );
  const zones = chosen.map((zone) => describeZone(zone, context));
  return { AvailabilityZones: [...applyFilters(zones, input.Filters, ZONE_FILTERS)] };
};

export const describeRegions: Query<'DescribeRegions'> = (_state, input, context) => {
  const unknown = (input.RegionNames ?? []).find((name) => name !== context.region);
  if (unknown !== undefined) throw new Ec2Error('InvalidParameterValue', `Invalid value '${unknown}' for RegionName`);
  const region: Region = {
    RegionName: context.region,
    Endpoint: `ec2.${context.region}.amazonaws.com`,
    OptInStatus: 'opt-in-not-required',
  };
  return { Regions: [...applyFilters([region], input.Filters, REGION_FILTERS)] };
};

const ZONE_FILTERS: FilterTable<AvailabilityZone> = {
  'zone-name': (zone) => [zone.ZoneName],
  'zone-id': (zone) => [zone.ZoneId],
  'zone-type': (zone) => [zone.ZoneType],
  'region-name': (zone) => [zone.RegionName],
  'group-name': (zone) => [zone.GroupName],
  'opt-in-status': (zone) => [zone.OptInStatus],
  state: (zone) => [zone.State],
};

const REGION_FILTERS: FilterTable<Region> = {
  'region-name': (region) => [region.RegionName],
  endpoint: (region) => [region.Endpoint],
  'opt-in-status': (region) => [region.OptInStatus],
};

function describeZone(zone: string, context: Context): AvailabilityZone {
  return {
    ZoneName: zone,
    ZoneId: zoneIdOf(zone),
    ZoneType: 'availability-zone',
    RegionName: context.region,
    GroupName: `${context.region}-zg-1`,
    NetworkBorderGroup: context.region,
    OptInStatus: 'opt-in-not-required',
    State: 'available',
    Messages: [],
  };
}
