import { compare, touches } from "../provider-protocol/detailed-diff";
import { isObject, plainProperties, type Properties } from "../provider-protocol/property-values";
import type { DiffResult } from "../provider-protocol/provider";
import { forceNewPaths, type MutableData } from "./force-new";
import { isGenerated } from "./inputs";
import { stringAt } from "./kubernetes-object";

/** What an update from the old inputs to the new ones changes, and whether the object can stay. */
export function diffInputs(oldInputs: Properties, newInputs: Properties, settings: MutableData): DiffResult {
  const [olds, news] = [comparable(oldInputs), comparable(newInputs)];
  const differences = compare(olds, news);
  const forceNew = forceNewPaths(news, settings);
  const replaces = [...differences].filter(([, difference]) => touches(difference, forceNew)).map(([path]) => path);
  const same = (key: string) => stringAt(olds, "metadata", key) === stringAt(news, "metadata", key);
  return {
    differences,
    replaces,
    // A name that the program fixed can only be taken again once its holder is gone.
    deleteBeforeReplace: replaces.length > 0 && !isGenerated(news) && same("name") && same("namespace"),
  };
}

/** No namespace and `default` are the same place. */
function comparable(inputs: Properties): Properties {
  const object = plainProperties(inputs);
  const metadata = object["metadata"];
  if (!isObject(metadata) || metadata["namespace"] !== "default") {
    return object;
  }
  // compare() takes null for absent.
  return { ...object, metadata: { ...metadata, namespace: null } };
}
