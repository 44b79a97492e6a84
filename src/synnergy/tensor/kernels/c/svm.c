/* Support vector machines: ML-24 to ML-27. */
#include "kernels.h"

/* result, x, vectors (a row for each feature, of `ld` vectors, a multiple of 16), rows, vectors,
 * features, ld: the squared distance of each row from each vector. */
void DISTANCES(const Context *context, const int64_t *args) {
  int64_t rows = args[3], count = args[4], features = args[5], ld = args[6];
  const float *vectors = at(context, args[2]);
  Range part = share(context, rows * ((count + VL - 1) / VL), 1);
  for (int64_t item = part.begin; item < part.end; item++) {
    int64_t blocks = (count + VL - 1) / VL, row = item / blocks, first = item % blocks * VL;
    const float *x = (const float *)at(context, args[1]) + row * features;
    vf total = (vf)0.0f;
    for (int64_t i = 0; i < features; i++) {
      vf difference = (vf)x[i] - load_vf(vectors + i * ld + first);
      total = total + difference * difference;
    }
    float values[VL], *result = (float *)at(context, args[0]) + row * count + first;
    store_vf(values, total);
    for (int64_t i = 0; i < VL && first + i < count; i++) result[i] = values[i];
  }
}

/* decisions (rows x pairs), labels (int64), table, values of the kernel (rows x vectors),
 * coefficients (classes - 1 x vectors), where each class's vectors begin (and end), rho, rows,
 * vectors, classes, this thread's scratch for as many votes as classes. ML-25 */
void DECIDE_PAIRS(const Context *context, const int64_t *args) {
  int64_t vectors = args[8], classes = args[9], *votes = at(context, args[10]), *labels = at(context, args[1]);
  const int64_t *table = at(context, args[2]), *starts = at(context, args[5]);
  const float *coefficients = at(context, args[4]), *rho = at(context, args[6]);
  Range part = share(context, args[7], 8);
  for (int64_t row = part.begin; row < part.end; row++) {
    const float *values = (const float *)at(context, args[3]) + row * vectors;
    float *decisions = (float *)at(context, args[0]) + row * (classes * (classes - 1) / 2);
    int64_t pair = 0, best = 0;
    for (int64_t i = 0; i < classes; i++) votes[i] = 0;
    for (int64_t i = 0; i < classes; i++)
      for (int64_t j = i + 1; j < classes; j++, pair++) {
        double total = 0.0;
        const float *first = coefficients + (j - 1) * vectors, *second = coefficients + i * vectors;
        for (int64_t v = starts[i]; v < starts[i + 1]; v++) total += (double)(first[v] * values[v]);
        for (int64_t v = starts[j]; v < starts[j + 1]; v++) total += (double)(second[v] * values[v]);
        total += (double)rho[pair];
        decisions[pair] = (float)total;
        votes[total > 0.0 ? i : j]++;
      }
    for (int64_t i = 1; i < classes; i++) best = votes[i] > votes[best] ? i : best;
    labels[row] = table[best];
  }
}

/* (Qp, pᵀQp), summed in order of the classes. */
static float coupled_gradient(const float *q, const float *p, float *product, int64_t classes) {
  float total = 0.0f;
  for (int64_t i = 0; i < classes; i++) product[i] = 0.0f;
  for (int64_t j = 0; j < classes; j++)
    for (int64_t i = 0; i < classes; i++) product[i] = product[i] + q[i * classes + j] * p[j];
  for (int64_t i = 0; i < classes; i++) total = total + p[i] * product[i];
  return total;
}

/* result (rows x classes), decisions (rows x pairs), prob_a, prob_b, rows, classes, this thread's
 * scratch for classes x (2 classes + 1) floats. Pairwise coupling. ML-27 */
void COUPLE_PAIRS(const Context *context, const int64_t *args) {
  int64_t classes = args[5], pairs = classes * (classes - 1) / 2;
  const float *prob_a = at(context, args[2]), *prob_b = at(context, args[3]);
  float *r = at(context, args[6]), *q = r + classes * classes, *product = q + classes * classes;
  const float smallest = 1e-7f, largest = 1.0f - smallest, enough = 0.005f / (float)classes;
  Range part = share(context, args[4], 2);
  for (int64_t row = part.begin; row < part.end; row++) {
    const float *decisions = (const float *)at(context, args[1]) + row * pairs;
    float *p = (float *)at(context, args[0]) + row * classes;
    for (int64_t i = 0, pair = 0; i < classes; i++)
      for (int64_t j = i + 1; j < classes; j++, pair++) {
        float first = 1.0f - score_logistic(decisions[pair] * prob_a[pair] + prob_b[pair]);
        first = first < smallest ? smallest : first;
        first = first > largest ? largest : first;
        r[i * classes + j] = first;
        r[j * classes + i] = 1.0f - first;
      }
    for (int64_t i = 0; i < classes; i++) {
      float total = 0.0f;
      for (int64_t j = 0; j < classes; j++) {
        if (j == i) continue;
        total = total + r[j * classes + i] * r[j * classes + i];
        q[i * classes + j] = -(r[j * classes + i] * r[i * classes + j]);
      }
      q[i * classes + i] = total;
      p[i] = 1.0f / (float)classes;
    }
    for (int pass = 0; pass < 100; pass++) {
      float total = coupled_gradient(q, p, product, classes), error = 0.0f;
      for (int64_t i = 0; i < classes; i++) {
        float distance = __builtin_fabsf(product[i] - total);
        error = distance > error ? distance : error;
      }
      if (error < enough) break;
      for (int64_t i = 0; i < classes; i++) {
        float diagonal = q[i * classes + i], change = (-product[i] + total) / diagonal, scale = 1.0f + change;
        p[i] = p[i] + change;
        total = (total + change * (change * diagonal + 2.0f * product[i])) / scale / scale;
        for (int64_t k = 0; k < classes; k++) product[k] = (product[k] + change * q[i * classes + k]) / scale;
        for (int64_t k = 0; k < classes; k++) p[k] = p[k] / scale;
      }
    }
  }
}
