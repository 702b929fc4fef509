/** One line of a watch as what happened (Kubernetes API concepts, "Efficient detection of changes"). */
import { ApiError, fieldsOf, refused } from './api-error.ts';

export type WatchEvent =
  | { readonly kind: 'put'; readonly object: unknown; readonly version: string | undefined }
  | { readonly kind: 'removed'; readonly object: unknown; readonly version: string | undefined }
  | { readonly kind: 'bookmark'; readonly version: string | undefined };

/** Throws ApiError: what the server reports instead of an event (410 where the version is too old), or what is no event. */
export function watchEvent(line: unknown): WatchEvent {
  const { type, object } = fieldsOf(line);
  const version = versionOf(object);
  switch (type) {
    case 'ADDED':
    case 'MODIFIED':
      return { kind: 'put', object, version };
    case 'DELETED':
      return { kind: 'removed', object, version };
    case 'BOOKMARK':
      return { kind: 'bookmark', version };
    case 'ERROR': {
      const { code } = fieldsOf(object);
      throw refused(typeof code === 'number' ? code : 500, object, undefined);
    }
    default:
      throw new ApiError('malformed', `a watch of the API server holds an event of type ${JSON.stringify(type)}`);
  }
}

/** metadata.resourceVersion of an object or a list. */
export function versionOf(object: unknown): string | undefined {
  const { resourceVersion } = fieldsOf(fieldsOf(object)['metadata']);
  return typeof resourceVersion === 'string' && resourceVersion !== '' ? resourceVersion : undefined;
}
