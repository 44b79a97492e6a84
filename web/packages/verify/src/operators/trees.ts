// Tree ensembles of ai.onnx.ml up to version 3 of their operators (ML-29 to ML-35): every tree is
// walked for every row, leaves are added tree after tree in the input's precision.

import type { Numbers, Tensor } from "../tensor/types.js";
import { cast } from "./elementwise.js";
import { matrix, stacked } from "./classic.js";
import { Labels, complement, opposed, postTransform, transformed } from "./scores.js";
import type { Operators, Site } from "./site.js";

const MODES = [
  "BRANCH_LEQ",
  "BRANCH_LT",
  "BRANCH_GTE",
  "BRANCH_GT",
  "BRANCH_EQ",
  "BRANCH_NEQ",
  "LEAF",
];
const LEAF = MODES.indexOf("LEAF");
/** Comparisons on a path, at most. */
const MOST_DEEP = 4096;

/** What a leaf adds to the scores: targets and weights, in the order of the file. */
type Weights = readonly (readonly [number, number])[];

/** A forest as arrays over the nodes of all trees. */
interface Forest {
  readonly roots: readonly number[];
  readonly mode: Uint8Array;
  readonly feature: Int32Array;
  readonly threshold: Numbers;
  readonly missing: Uint8Array;
  readonly yes: Int32Array;
  readonly no: Int32Array;
  readonly weights: readonly Weights[];
}

/** The precision of comparisons and sums: float64 for such inputs, else float32. ML-29 */
type Real = typeof Float32Array | typeof Float64Array;

function floats(site: Site, name: string, kind: Real): Numbers {
  const listed = site.numbers(name) ?? [];
  const tensor = site.tensor(`${name}_as_tensor`);
  if (!tensor?.data.length) return kind.from(listed);
  if (listed.length || !(tensor.data instanceof kind))
    throw site.refuse(`${name} of another type`);
  return tensor.data;
}

function forestOf(
  site: Site,
  prefix: string,
  targets: number,
  features: number,
  kind: Real,
): Forest {
  site.ignore("nodes_hitrates", "nodes_hitrates_as_tensor");
  const list = (name: string) => site.integers(name) ?? [];
  const [trees, ids] = [list("nodes_treeids"), list("nodes_nodeids")];
  const names = site.texts("nodes_modes") ?? [];
  const asked = list("nodes_featureids");
  const threshold = floats(site, "nodes_values", kind);
  const branches = [list("nodes_truenodeids"), list("nodes_falsenodeids")];
  const tracks = site.integers("nodes_missing_value_tracks_true") ?? [];
  const count = trees.length;
  const lengths = [ids, names, asked, threshold, ...branches].map((items) => items.length);
  if (!count || lengths.some((length) => length !== count) || ![0, count].includes(tracks.length))
    throw site.refuse("attributes of nodes that differ in length");
  const known = new Map<string, number>();
  trees.forEach((tree, at) => known.set(`${tree} ${ids[at]}`, at));
  if (known.size !== count) throw site.refuse("two nodes of a tree have the same id");
  const find = (tree: number, id: number): number => {
    const found = known.get(`${tree} ${id}`);
    if (found === undefined) throw site.refuse("a child or weight of a node that does not exist");
    return found;
  };
  const mode = Uint8Array.from(names, (name) => {
    if (!MODES.includes(name)) throw site.refuse(`node mode ${name}`);
    return MODES.indexOf(name);
  });
  const [yes, no] = branches.map((branch) =>
    Int32Array.from(branch, (id, at) => (mode[at] === LEAF ? at : find(trees[at], id))),
  );
  const feature = Int32Array.from(asked, (number, at) => {
    if (mode[at] === LEAF) return 0;
    if (number < 0 || number >= features) throw site.refuse(`a node compares feature ${number}`);
    return number;
  });
  const roots = trees.flatMap((tree, at) => (at === 0 || trees[at - 1] !== tree ? [at] : []));
  if (new Set(trees).size !== roots.length) throw site.refuse("a tree's nodes are not together");
  return {
    ...{ roots, mode, feature, threshold, yes, no },
    missing: Uint8Array.from(tracks.length ? tracks : trees, (one) =>
      tracks.length && one === 1 ? 1 : 0,
    ),
    weights: weightsOf(site, prefix, targets, kind, mode, find),
  };
}

function weightsOf(
  site: Site,
  prefix: string,
  targets: number,
  kind: Real,
  mode: Uint8Array,
  find: (tree: number, id: number) => number,
): Weights[] {
  const list = (name: string) => site.integers(`${prefix}_${name}`) ?? [];
  const [trees, ids, target] = [list("treeids"), list("nodeids"), list("ids")];
  const value = floats(site, `${prefix}_weights`, kind);
  if ([ids, target, value].some((items) => items.length !== trees.length))
    throw site.refuse(`the attributes ${prefix}_* differ in length`);
  const weights: (readonly [number, number])[][] = Array.from(mode, () => []);
  trees.forEach((tree, at) => {
    const node = find(tree, ids[at]);
    // Some exporters weigh inner nodes too; those weights never count.
    if (mode[node] !== LEAF) return;
    if (target[at] < 0 || target[at] >= targets) throw site.refuse("a weight for no target");
    weights[node].push([target[at], value[at]]);
  });
  return weights;
}

function goesTrue(mode: number, x: number, threshold: number): boolean {
  if (mode === 0) return x <= threshold;
  if (mode === 1) return x < threshold;
  if (mode === 2) return x >= threshold;
  if (mode === 3) return x > threshold;
  return mode === 4 ? x === threshold : x !== threshold;
}

/** The leaf that a row reaches from a root. ML-31 */
function leafOf(site: Site, forest: Forest, root: number, row: Numbers, start: number): number {
  let node = root;
  for (let depth = 0; forest.mode[node] !== LEAF; depth++) {
    if (depth === MOST_DEEP) throw site.refuse(`a path of more than ${MOST_DEEP} comparisons`);
    const x = row[start + forest.feature[node]];
    const missing = forest.missing[node] && Number.isNaN(x);
    const isTrue = missing || goesTrue(forest.mode[node], x, forest.threshold[node]);
    node = isTrue ? forest.yes[node] : forest.no[node];
  }
  return node;
}

/** Scores of one row and whether any leaf gave one. ML-32 */
interface Scores {
  readonly score: Numbers;
  readonly seen: Uint8Array;
}

type Aggregate = "SUM" | "AVERAGE" | "MIN" | "MAX";

function* scoresOf(
  site: Site,
  forest: Forest,
  x: Tensor,
  targets: number,
  how: Aggregate,
  kind: Real,
): Generator<Scores> {
  const [rows, features] = x.shape;
  const data = x.data as Numbers;
  for (let row = 0; row < rows; row++) {
    const score = new kind(targets);
    const seen = new Uint8Array(targets);
    const better = (value: number, best: number) => (how === "MIN" ? value < best : value > best);
    const take = (target: number, value: number) => {
      if (how === "SUM" || how === "AVERAGE") score[target] += value;
      else if (!seen[target] || better(value, score[target])) score[target] = value;
      seen[target] = 1;
    };
    for (const root of forest.roots) {
      const weights = forest.weights[leafOf(site, forest, root, data, row * features)];
      // With one target a leaf counts once: its first weight, +0 where it has none.
      if (targets === 1) take(0, weights[0]?.[1] ?? 0);
      else for (const [target, value] of weights) take(target, value);
    }
    yield { score, seen };
  }
}

function prepared(site: Site): { x: Tensor; kind: Real } {
  const given = matrix(site);
  const isWide = given.type === "float64";
  return {
    x: isWide ? given : cast(given, "float32"),
    kind: isWide ? Float64Array : Float32Array,
  };
}

function regressor(site: Site): Tensor[] {
  const { x, kind } = prepared(site);
  const targets = site.integer("n_targets", 1);
  if (!(targets > 0 && targets <= 2 ** 24)) throw site.refuse(`n_targets is ${targets}`);
  const forest = forestOf(site, "target", targets, x.shape[1], kind);
  const base = floats(site, "base_values", kind);
  const how = site.text<Aggregate>("aggregate_function", "SUM", ["AVERAGE", "SUM", "MIN", "MAX"]);
  const transform = postTransform(site);
  if (![0, targets].includes(base.length)) throw site.refuse("base_values do not fit the targets");
  const rows: Float32Array[] = [];
  for (const { score, seen } of scoresOf(site, forest, x, targets, how, kind)) {
    for (let at = 0; at < targets; at++) {
      if (how === "AVERAGE") score[at] /= forest.roots.length;
      if (base.length) score[at] = seen[at] ? score[at] + base[at] : 0;
    }
    const narrow = Float32Array.from(score);
    rows.push(targets === 1 ? narrow : transformed(site, narrow, transform));
  }
  return [stacked(rows, targets)];
}

function classifier(site: Site): Tensor[] {
  const { x, kind } = prepared(site);
  const classes = new Labels(site, "classlabels_int64s", "classlabels_strings");
  const { count } = classes;
  if (count < 2) throw site.refuse("a classifier of a single class");
  const transform = postTransform(site);
  const forest = forestOf(site, "class", count, x.shape[1], kind);
  const base = floats(site, "base_values", kind);
  if (![0, count].includes(base.length) && !(base.length === 1 && count === 2))
    throw site.refuse("base_values do not fit the classes");
  const single = count === 2 && new Set(site.integers("class_ids") ?? []).size === 1;
  const positive = !floats(site, "class_weights", kind).some((weight) => weight < 0);
  const chosen: number[] = [];
  const rows: (Float32Array | number[])[] = [];
  for (const scores of scoresOf(site, forest, x, count, "SUM", kind)) {
    if (count > 2) {
      const { score, seen } = scores;
      base.forEach((value, at) => {
        score[at] += value;
        seen[at] = 1;
      });
      chosen.push(firstSeen(score, seen));
      rows.push(transformed(site, Float32Array.from(score), transform));
      continue;
    }
    const [first, second] = ofTwo(scores, base, kind);
    const both = scores.seen[1] === 1;
    const isOnly = single && positive;
    const narrow = Math.fround(first);
    if (both || base.length === 2)
      rows.push(transformed(site, Float32Array.of(first, second), transform));
    else if (!isOnly) rows.push(opposed(site, narrow, transform));
    else if (transform === "LOGISTIC") rows.push(complement(site, narrow, transform));
    else rows.push([1 - first, first]);
    const deciding = both ? second : first;
    if (single) chosen.push(deciding > (positive ? 0.5 : 0) ? 1 : 0);
    else chosen.push((both ? second > first : deciding > 0) ? 1 : 0);
  }
  return [classes.pick(chosen), stacked(rows, count)];
}

/** The first largest score among those that some leaf gave. ML-34 */
function firstSeen(score: Numbers, seen: Uint8Array): number {
  let [best, known] = [0, seen[0] === 1];
  for (let at = 1; at < score.length; at++)
    if (seen[at] && (!known || score[at] > score[best])) [best, known] = [at, true];
  return best;
}

/** Two classes: one score stands for both unless some leaf gave the second class one. ML-35 */
function ofTwo({ score, seen }: Scores, base: Numbers, kind: Real): Numbers {
  const both = seen[1] === 1;
  const two = kind.of(score[0], score[1]);
  if (base.length === 2) {
    const joint = kind.of(score[0] + base[1])[0];
    two[0] = both ? -joint : score[0] + base[0];
    if (both) two[1] = joint;
  } else if (base.length === 1) two[0] += base[0];
  if (!seen[0]) two[0] = 0;
  if (!both) two[1] = 0;
  return two;
}

export const TREES: Operators = {
  "ai.onnx.ml:TreeEnsembleRegressor": regressor,
  "ai.onnx.ml:TreeEnsembleClassifier": classifier,
};
