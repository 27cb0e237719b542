const char *apus_sample(void);
