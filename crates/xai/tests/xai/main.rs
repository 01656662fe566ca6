//! What the methods and scores promise. One program: each test program would compile and link burn again.

mod attention;
mod attention_flow;
mod attention_gradients;
mod axioms;
mod bounds;
mod contrast;
mod degenerate;
mod door;
mod evaluation_mode;
mod grad_cam;
mod gradients;
mod gradients_paths;
mod gradients_probes;
mod gradients_quadrature;
mod gradients_sampling;
mod inert_segments;
mod lime;
mod perturbation;
mod sampling;
mod score_probes;
mod score_tables;
mod scores;
mod segmentation;
mod shapley_images;
mod shapley_lime_scores_configs;
mod shapley_solvers;
