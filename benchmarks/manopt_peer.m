function manopt_peer(manopt, solver, input, output)
% Run a solver of Manopt on one of the benchmark problems: manopt_peer(FOLDER, 'trustregions', 'task.mat', 'run.mat').
%
% The closed forms are those of the Python side, with one forward pass a point kept in Manopt's store.  As under the
% gauge there, the columnwise relative gradient norm is measured wherever the solver asks for a gradient, that time is
% not charged, and the run ends when it meets the tolerance.  One short run before the clock starts loads the code.
  global CALLS BEGUN FREE CLOCK LIMIT TOLERANCE BEST_X
  warning('off', 'all');
  addpath(genpath(fullfile(manopt, 'manopt')));
  task = load(input);
  problem = closed_forms(task);
  run = str2func(solver);
  CLOCK = @() time();
  if task.processor_time
    CLOCK = @() cputime();
  end
  LIMIT = Inf;
  TOLERANCE = -1;
  options = struct('verbosity', 0, 'tolgradnorm', 1e-300, 'minstepsize', 1e-300, 'maxiter', 3);
  reset();
  run(problem, task.start, options);
  LIMIT = task.limit;
  TOLERANCE = task.tolerance;
  options.maxiter = 1e7;
  note = 'returned';
  reset();
  try
    run(problem, task.start, options);
  catch failure
    if ~strcmp(failure.identifier, 'gauge:stopped')
      note = failure.message;
    end
  end
  seconds = CLOCK() - BEGUN - FREE;
  X = BEST_X;
  calls = CALLS;
  save('-v7', output, 'X', 'seconds', 'calls', 'note');
end

function reset()
  global CALLS BEGUN FREE CLOCK BEST BEST_X
  CALLS = zeros(1, 3);
  BEST = Inf;
  BEST_X = [];
  FREE = 0;
  BEGUN = CLOCK();
end

function count(kind)
  global CALLS BEGUN FREE CLOCK LIMIT
  CALLS(kind) += 1;
  if CLOCK() - BEGUN - FREE > LIMIT
    error('gauge:stopped', 'time limit');
  end
end

function problem = closed_forms(task)
% Cost, Euclidean gradient and Euclidean Hessian on the product of spheres that the start lies on.
  problem.M = obliquefactory(size(task.start, 1), size(task.start, 2));
  switch task.kind
    case 'cross-entropy'
      own = sub2ind([task.classes, numel(task.labels)], task.labels, 1:numel(task.labels));
      evaluate = @(X) cross_entropy(X, task, own);
      hessian = @(X, U, at) cross_entropy_hessian(X, U, at, task, own);
    case 'quadratic'
      scale = task.scale(:)';
      evaluate = @(X) quadratic(X, task.A, task.left, scale);
      hessian = @(X, U, at) product(U, task.A, task.left);
    case 'thomson'
      evaluate = @thomson;
      hessian = @thomson_hessian;
  end
  problem.cost = @(X, store) counted_cost(X, store, evaluate);
  problem.egrad = @(X, store) counted_gradient(X, store, evaluate);
  problem.ehess = @(X, U, store) counted_hessian(X, U, store, evaluate, hessian);
end

function store = prepare(X, store, evaluate)
  if ~isfield(store, 'at')
    store.at = evaluate(X);
  end
end

function [f, store] = counted_cost(X, store, evaluate)
  count(1);
  store = prepare(X, store, evaluate);
  f = store.at.cost;
end

function [gradient, store] = counted_gradient(X, store, evaluate)
  global FREE CLOCK TOLERANCE BEST BEST_X
  count(2);
  store = prepare(X, store, evaluate);
  gradient = store.at.gradient;
  entered = CLOCK();
  tangent = gradient - X .* sum(X .* gradient, 1);
  norm = max(sqrt(sum(tangent .^ 2, 1)) ./ store.at.scale());
  if norm < BEST
    BEST = norm;
    BEST_X = X;
  end
  FREE += CLOCK() - entered;
  if BEST <= TOLERANCE
    error('gauge:stopped', 'reached');
  end
end

function [product, store] = counted_hessian(X, U, store, evaluate, hessian)
  count(3);
  store = prepare(X, store, evaluate);
  product = hessian(X, U, store.at);
end

function at = cross_entropy(X, task, own)
% sum_i omega_i log(1 + sum_{j != y} exp(z_j - z_y)), in the form that does not cancel.
  K = task.classes;
  W = X(:, 1:K);
  H = X(:, K+1:end);
  Z = task.tau * (W' * H);
  E = Z - Z(own);
  top = max(E, [], 1);
  P = exp(E - top);
  P(own) = 0;
  others = sum(P, 1);
  shifted = exp(-top);
  total = others + shifted;
  cost = log1p(others);
  above = top > 0;
  cost(above) = top(above) + log(total(above));
  at.cost = cost * task.weights';
  at.scaling = task.tau * task.weights;
  at.own = at.scaling .* (shifted ./ total);
  P(own) = -others;
  at.G = P .* (at.scaling ./ total);
  at.gradient = [H * at.G', W * at.G];
  size_of_G = @() abs(at.G);
  at.scale = @() [sum(size_of_G(), 2)', sum(size_of_G(), 1)];
end

function image = cross_entropy_hessian(X, U, at, task, own)
  K = task.classes;
  W = X(:, 1:K);
  H = X(:, K+1:end);
  V = U(:, K+1:end);
  U = U(:, 1:K);
  D = task.tau * (U' * H + W' * V);
  D -= D(own);
  mean = sum(at.G .* D, 1) ./ at.scaling;
  change = at.G .* (D - mean);
  change(own) = -at.own .* mean;
  image = [V * at.G' + H * change', U * at.G + W * change];
end

function at = quadratic(X, A, left, scale)
  at.gradient = product(X, A, left);
  at.cost = 0.5 * sum(sum(X .* at.gradient));
  at.scale = @() scale;
end

function image = product(U, A, left)
  if left
    image = A * U;
  else
    image = U * A;
  end
end

function at = thomson(X)
  M = size(X, 2);
  at.square = max(2 - 2 * (X' * X), 0);
  at.square(1:M+1:end) = Inf;
  at.cube = at.square .^ -1.5;
  at.cost = 0.5 * sum(sum(at.square .^ -0.5));
  at.gradient = X * at.cube;
  at.scale = @() sum(1 ./ at.square, 1);
end

function image = thomson_hessian(X, U, at)
  inner = X' * U;
  image = U * at.cube + X * (3 * at.square .^ -2.5 .* (inner + inner'));
end
